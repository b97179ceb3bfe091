/* SPDX-License-Identifier: MIT */
#include "examples/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* A part of the head that is not ended by a zero. */
struct text {
	const char *at;
	size_t size;
};

static bool text_is(struct text t, const char *word)
{
	return t.size == strlen(word) && strncasecmp(t.at, word, t.size) == 0;
}

/* What is before the first `mark`, which is dropped with it from *rest; all if there is none. */
static struct text split(struct text *rest, const char *mark)
{
	const char *end = memmem(rest->at, rest->size, mark, strlen(mark));
	struct text part = *rest;

	if (!end) {
		rest->at += rest->size;
		rest->size = 0;
		return part;
	}
	part.size = (size_t)(end - rest->at);
	rest->at = end + strlen(mark);
	rest->size -= part.size + strlen(mark);
	return part;
}

static struct text trim(struct text t)
{
	while (t.size > 0 && (t.at[0] == ' ' || t.at[0] == '\t')) {
		t.at++;
		t.size--;
	}
	while (t.size > 0 && (t.at[t.size - 1] == ' ' || t.at[t.size - 1] == '\t'))
		t.size--;
	return t;
}

/* Letters, digits and a few marks: what methods and the names of fields are made of. */
static bool is_token(struct text t)
{
	static const char marks[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (size_t i = 0; i < t.size; i++)
		if (t.at[i] == '\0' || !strchr(marks, t.at[i]))
			return false;
	return t.size > 0;
}

long http_head_size(const char *data, size_t size, size_t *scanned)
{
	for (size_t i = *scanned; i < size; i++) {
		if (data[i] != '\n')
			continue;
		if (i == 0 || data[i - 1] != '\r')
			return -1;
		if (i >= 3 && data[i - 2] == '\n')
			return (long)i + 1;
	}
	*scanned = size;
	return 0;
}

/* -1: no number. */
static int64_t number(struct text t)
{
	int64_t value = 0;

	if (t.size == 0 || t.size > 18)
		return -1;
	for (size_t i = 0; i < t.size; i++) {
		if (t.at[i] < '0' || t.at[i] > '9')
			return -1;
		value = value * 10 + (t.at[i] - '0');
	}
	return value;
}

/* "bytes=1-9", "bytes=1-", "bytes=-9". What else it may say is no error, but no range. */
static void parse_range(struct text value, struct http_request *request)
{
	struct text unit = split(&value, "=");
	struct text first = split(&value, "-");

	request->first = number(first);
	request->last = number(value);
	request->ranged = text_is(unit, "bytes") && (first.size == 0 || request->first >= 0) &&
			  (value.size == 0 || request->last >= 0) && first.size + value.size > 0 &&
			  (first.size == 0 || value.size == 0 || request->first <= request->last);
}

static void parse_connection(struct text value, struct http_request *request)
{
	while (value.size > 0) {
		struct text word = trim(split(&value, ","));

		if (text_is(word, "close"))
			request->keep = false;
		else if (text_is(word, "keep-alive"))
			request->keep = true;
	}
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum http_status parse_target(struct text target, struct http_request *request)
{
	size_t size = 0;

	target = split(&target, "?"); /* a file does not care what is asked of it */
	if (target.size > 7 && strncasecmp(target.at, "http://", 7) == 0) {
		const char *slash = memchr(target.at + 7, '/', target.size - 7);

		target.size = slash ? target.size - (size_t)(slash - target.at) : 1;
		target.at = slash ? slash : "/";
	}
	if (target.size == 0 || target.at[0] != '/')
		return HTTP_BAD_REQUEST;
	while (target.size > 0 && target.at[0] == '/') {
		target.at++;
		target.size--;
	}
	for (size_t i = 0; i < target.size; i++) {
		char c = target.at[i];

		if (c == '%') {
			int high = i + 2 < target.size ? hex(target.at[i + 1]) : -1;
			int low = i + 2 < target.size ? hex(target.at[i + 2]) : -1;

			if (high < 0 || low < 0)
				return HTTP_BAD_REQUEST;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return HTTP_BAD_REQUEST;
		if (size == HTTP_PATH_MAX - 1)
			return HTTP_URI_TOO_LONG;
		request->path[size++] = c;
	}
	request->path[size] = '\0';
	if (size == 0 || request->path[size - 1] == '/')
		memcpy(request->path + size, "index.html", sizeof("index.html"));
	return HTTP_OK;
}

static enum http_status parse_request_line(struct text line, struct http_request *request)
{
	struct text method = split(&line, " ");
	struct text target = split(&line, " ");

	for (size_t i = 0; i < target.size; i++)
		if (target.at[i] <= ' ' || target.at[i] == 0x7f)
			return HTTP_BAD_REQUEST; /* bytes over 127 are negative here */
	if (!is_token(method) || line.size != 8 || memcmp(line.at, "HTTP/", 5) != 0 ||
	    line.at[6] != '.' || number((struct text){ line.at + 7, 1 }) < 0)
		return HTTP_BAD_REQUEST;
	if (line.at[5] != '1')
		return HTTP_BAD_VERSION;
	request->keep = line.at[7] != '0';
	request->head = text_is(method, "HEAD");
	if (memcmp(method.at, "GET ", 4) != 0 && memcmp(method.at, "HEAD ", 5) != 0)
		return HTTP_BAD_METHOD;
	return parse_target(target, request);
}

/* What fields add up to, where each alone says too little. */
struct fields {
	unsigned int hosts;
	bool body;
	bool if_range;
	struct text range;
};

static enum http_status parse_field(struct text line, struct http_request *request,
				    struct fields *fields)
{
	struct text name = split(&line, ":");
	struct text value = trim(line);

	if (!is_token(name) || name.at[name.size] != ':')
		return HTTP_BAD_REQUEST;
	for (size_t i = 0; i < value.size; i++)
		if ((value.at[i] >= 0 && value.at[i] < ' ' && value.at[i] != '\t') ||
		    value.at[i] == 0x7f)
			return HTTP_BAD_REQUEST;
	if (text_is(name, "host")) {
		fields->hosts++;
	} else if (text_is(name, "connection")) {
		parse_connection(value, request);
	} else if (text_is(name, "range")) {
		fields->range = value;
	} else if (text_is(name, "if-range")) {
		fields->if_range = true;
	} else if (text_is(name, "transfer-encoding")) {
		fields->body = true;
	} else if (text_is(name, "content-length")) {
		if (number(value) < 0)
			return HTTP_BAD_REQUEST;
		fields->body = fields->body || number(value) > 0;
	}
	return HTTP_OK;
}

enum http_status http_parse(const char *head, size_t size, struct http_request *ret)
{
	struct text rest = { head, size - 2 }; /* without the empty line */
	struct text line = split(&rest, "\r\n");
	struct fields fields = { 0 };
	enum http_status status;
	enum http_status worst;
	bool is_1_0;

	*ret = (struct http_request){ .first = -1, .last = -1 };
	if (line.size == 0) /* a stray one after the request before */
		line = split(&rest, "\r\n");
	status = parse_request_line(line, ret);
	if (status != HTTP_OK && status != HTTP_BAD_METHOD)
		return status;
	is_1_0 = !ret->keep;
	while (rest.size > 0) {
		worst = parse_field(split(&rest, "\r\n"), ret, &fields);
		if (worst != HTTP_OK)
			return worst;
	}
	if (fields.hosts != 1 && !(is_1_0 && fields.hosts == 0))
		return HTTP_BAD_REQUEST;
	if (fields.body && status == HTTP_OK)
		return HTTP_TOO_LARGE;
	if (!fields.if_range && fields.range.size > 0)
		parse_range(fields.range, ret);
	return status;
}

enum http_status http_range(struct http_request *request, int64_t size)
{
	int64_t first = request->first;
	int64_t last = request->last;

	if (!request->ranged) {
		request->first = 0;
		request->last = size - 1;
		return HTTP_OK;
	}
	if (first < 0) { /* the last ones */
		first = last < size ? size - last : 0;
		last = size - 1;
	}
	if (last < 0 || last >= size)
		last = size - 1;
	if (first > last)
		return HTTP_BAD_RANGE;
	request->first = first;
	request->last = last;
	return HTTP_PARTIAL;
}

const char *http_reason(enum http_status status)
{
	switch (status) {
	case HTTP_OK:
		return "OK";
	case HTTP_PARTIAL:
		return "Partial Content";
	case HTTP_MOVED:
		return "Moved Permanently";
	case HTTP_BAD_REQUEST:
		return "Bad Request";
	case HTTP_FORBIDDEN:
		return "Forbidden";
	case HTTP_NOT_FOUND:
		return "Not Found";
	case HTTP_BAD_METHOD:
		return "Method Not Allowed";
	case HTTP_TOO_LARGE:
		return "Content Too Large";
	case HTTP_URI_TOO_LONG:
		return "URI Too Long";
	case HTTP_BAD_RANGE:
		return "Range Not Satisfiable";
	case HTTP_HEAD_TOO_LARGE:
		return "Request Header Fields Too Large";
	case HTTP_ERROR:
		return "Internal Server Error";
	case HTTP_UNAVAILABLE:
		return "Service Unavailable";
	case HTTP_BAD_VERSION:
		return "HTTP Version Not Supported";
	}
	return "Unknown";
}

const char *http_type(const char *path)
{
	static const struct {
		const char *end;
		const char *type;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".gif", "image/gif" },
		{ ".pdf", "application/pdf" },
		{ ".wasm", "application/wasm" },
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(dot, types[i].end) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* A buffer that is filled; what does not fit is dropped. */
struct writer {
	char *at;
	size_t left;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
	va_list list;
	int size;

	va_start(list, format);
	size = vsnprintf(w->at, w->left, format, list);
	va_end(list);
	if (size < 0 || (size_t)size >= w->left)
		size = (int)w->left;
	w->at += size;
	w->left -= (size_t)size;
}

static void put_date(struct writer *w, const char *name, time_t seconds)
{
	struct tm tm;
	char text[40];

	if (gmtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
		put(w, "%s: %s\r\n", name, text);
}

/* The path again as it stands in a URL. It has no slash at its front: so no other host either. */
static void put_location(struct writer *w, const char *path)
{
	put(w, "Location: /");
	for (const unsigned char *c = (const unsigned char *)path; *c; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9') || strchr("-._~/", *c);

		put(w, plain ? "%c" : "%%%02X", *c);
	}
	put(w, "/\r\n");
}

size_t http_answer(char *buffer, const struct http_answer *a)
{
	struct writer w = { buffer, HTTP_ANSWER_MAX };

	put(&w, "HTTP/1.1 %d %s\r\n", (int)a->status, http_reason(a->status));
	put_date(&w, "Date", time(NULL));
	put(&w, "Content-Length: %lld\r\n", (long long)a->length);
	if (a->type)
		put(&w, "Content-Type: %s\r\n", a->type);
	if (a->modified > 0)
		put_date(&w, "Last-Modified", a->modified);
	if (a->status == HTTP_PARTIAL)
		put(&w, "Content-Range: bytes %lld-%lld/%lld\r\n", (long long)a->first,
		    (long long)a->last, (long long)a->all);
	if (a->status == HTTP_BAD_RANGE)
		put(&w, "Content-Range: bytes */%lld\r\n", (long long)a->all);
	if (a->status == HTTP_OK || a->status == HTTP_PARTIAL)
		put(&w, "Accept-Ranges: bytes\r\n");
	if (a->status == HTTP_BAD_METHOD)
		put(&w, "Allow: GET, HEAD\r\n");
	if (a->location)
		put_location(&w, a->location);
	put(&w, "Connection: %s\r\n\r\n", a->keep ? "keep-alive" : "close");
	return HTTP_ANSWER_MAX - w.left;
}
