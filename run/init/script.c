#include "run/init/script.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct verb {
	const char *name;
	enum script_verb verb;
	unsigned int words_min, words_max;
} verbs[] = {
	{ "daemon", SCRIPT_DAEMON, 1, SCRIPT_WORDS_MAX },
	{ "notify", SCRIPT_NOTIFY, 1, SCRIPT_WORDS_MAX },
	{ "ready", SCRIPT_READY, 1, 2 },
	{ "wait", SCRIPT_WAIT, 1, SCRIPT_WORDS_MAX },
	{ "sleep", SCRIPT_SLEEP, 1, 1 },
	{ "exec", SCRIPT_EXEC, 1, SCRIPT_WORDS_MAX },
};

/* One line being read. */
struct parser {
	const char *at, *end; /* of the line */
	const char *file;
	unsigned int line;
	FILE *complaints;
	char *words[SCRIPT_WORDS_MAX + 1];
	unsigned int count;
	char *word; /* as long as the line, at least */
};

static int complain(const struct parser *p, const char *what, const char *word)
{
	fprintf(p->complaints, "%s:%u: %s%s%s%s\n", p->file, p->line, what, word ? " '" : "",
		word ? word : "", word ? "'" : "");
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Up to the closing quote. Inside "...", a backslash keeps the next character. */
static int take_quoted(struct parser *p, size_t *size)
{
	char quote = *p->at++;

	while (p->at < p->end && *p->at != quote) {
		if (quote == '"' && *p->at == '\\' && p->at + 1 < p->end)
			p->at++;
		p->word[(*size)++] = *p->at++;
	}
	if (p->at == p->end)
		return complain(p, "a quote is not closed", NULL);
	p->at++;
	return 0;
}

static int take_word(struct parser *p)
{
	size_t size = 0;

	while (p->at < p->end && !is_blank(*p->at)) {
		if (*p->at == '\'' || *p->at == '"') {
			int r = take_quoted(p, &size);

			if (r < 0)
				return r;
			continue;
		}
		if (*p->at == '\\' && p->at + 1 < p->end)
			p->at++;
		p->word[size++] = *p->at++;
	}
	p->word[size] = '\0';
	if (strlen(p->word) != size)
		return complain(p, "a line holds a zero byte", NULL);
	if (p->count == SCRIPT_WORDS_MAX)
		return complain(p, "too many words", NULL);
	p->words[p->count] = strdup(p->word);
	return p->words[p->count++] ? 0 : -ENOMEM;
}

static int take_words(struct parser *p)
{
	for (;;) {
		int r;

		while (p->at < p->end && is_blank(*p->at))
			p->at++;
		if (p->at == p->end || *p->at == '#')
			return 0;
		r = take_word(p);
		if (r < 0)
			return r;
	}
}

static int take_seconds(const struct parser *p, const char *word, uint64_t *ret_ns)
{
	char *end;
	double seconds = strtod(word, &end);

	if (end == word || *end || !isfinite(seconds) || seconds < 0 || seconds > 1e9)
		return complain(p, "not a number of seconds:", word);
	*ret_ns = (uint64_t)(seconds * 1e9);
	return 0;
}

static int check_step(const struct parser *p, struct script_step *step)
{
	for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) {
		const struct verb *v = &verbs[i];

		if (strcmp(v->name, p->words[0]) != 0)
			continue;
		if (p->count - 1 < v->words_min)
			return complain(p, "something is missing after", v->name);
		if (p->count - 1 > v->words_max)
			return complain(p, "too many words after", v->name);
		step->verb = v->verb;
		step->ns = SCRIPT_READY_NS;
		if (v->verb == SCRIPT_SLEEP)
			return take_seconds(p, p->words[1], &step->ns);
		if (v->verb == SCRIPT_READY && p->count == 3)
			return take_seconds(p, p->words[2], &step->ns);
		return 0;
	}
	return complain(p, "daemon, notify, ready, wait, sleep or exec should stand here, not",
			p->words[0]);
}

/* The words become the script's. */
static int add_step(struct script *s, const struct parser *p)
{
	struct script_step step = { .line = p->line };
	struct script_step *steps;
	int r = check_step(p, &step);

	if (r < 0)
		return r;
	steps = realloc(s->steps, (s->count + 1) * sizeof(*steps));
	if (!steps)
		return -ENOMEM;
	s->steps = steps;
	step.words = malloc(p->count * sizeof(*step.words));
	if (!step.words)
		return -ENOMEM;
	memcpy(step.words, p->words + 1, (p->count - 1) * sizeof(*step.words));
	step.words[p->count - 1] = NULL;
	free(p->words[0]); /* the verb */
	s->steps[s->count++] = step;
	return 0;
}

static int parse_line(struct parser *p, struct script *s)
{
	int r = take_words(p);

	if (r == 0 && p->count > 0) {
		r = add_step(s, p);
		if (r == 0)
			return 0;
	}
	for (unsigned int i = 0; i < p->count; i++)
		free(p->words[i]);
	return r;
}

int script_parse(const char *text, size_t size, const char *name, FILE *complaints,
		 struct script *ret)
{
	struct parser p = { .file = name, .complaints = complaints };
	const char *end = text + size;
	struct script s = { NULL, 0 };
	int r = 0;

	if (size > SCRIPT_SIZE_MAX) {
		fprintf(complaints, "%s: larger than %u bytes\n", name, SCRIPT_SIZE_MAX);
		return -EINVAL;
	}
	p.word = malloc(size + 1);
	if (!p.word)
		return -ENOMEM;
	while (r == 0 && text < end) {
		p.at = text;
		p.end = memchr(text, '\n', (size_t)(end - text));
		if (!p.end)
			p.end = end;
		text = p.end + (p.end < end);
		p.line++;
		p.count = 0;
		r = parse_line(&p, &s);
	}
	free(p.word);
	if (r < 0)
		script_free(&s);
	else
		*ret = s;
	return r;
}

void script_free(struct script *s)
{
	for (unsigned int i = 0; i < s->count; i++) {
		for (char **word = s->steps[i].words; *word; word++)
			free(*word);
		free(s->steps[i].words);
	}
	free(s->steps);
	*s = (struct script){ NULL, 0 };
}
