/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_HTTP_H
#define EXAMPLES_HTTP_H
/*
 * http.h - the text of HTTP/1.1: what a request asks for, how an answer begins.
 * Layer: examples.
 *
 * GET and HEAD of files, without a body, with at most one range of bytes. Nothing here
 * makes a system call.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PATH_MAX 4096u

enum http_status {
	HTTP_OK = 200,
	HTTP_PARTIAL = 206,
	HTTP_MOVED = 301,
	HTTP_BAD_REQUEST = 400,
	HTTP_FORBIDDEN = 403,
	HTTP_NOT_FOUND = 404,
	HTTP_BAD_METHOD = 405,
	HTTP_TOO_LARGE = 413,
	HTTP_URI_TOO_LONG = 414,
	HTTP_BAD_RANGE = 416,
	HTTP_HEAD_TOO_LARGE = 431,
	HTTP_ERROR = 500,
	HTTP_UNAVAILABLE = 503,
	HTTP_BAD_VERSION = 505,
};

struct http_request {
	bool head; /* HEAD: the answer has no body */
	bool keep; /* another request may follow */
	bool ranged;
	int64_t first; /* byte; -1: the last `last` bytes */
	int64_t last;  /* -1: to the end */
	/* Decoded, without the slashes it began with, not empty: index.html is added to folders. */
	char path[HTTP_PATH_MAX + sizeof("index.html")];
};

/*
 * The size of the head that the data begin with, its empty line included; 0: it is not
 * complete yet; -1: it never will be, a line ends wrongly. *scanned (0 at first) is where
 * the next look begins.
 */
long http_head_size(const char *data, size_t size, size_t *scanned);

/* What a head asks for. HTTP_OK, or the status to answer with. */
enum http_status http_parse(const char *head, size_t size, struct http_request *ret);

/* Cut the range to a file's size: HTTP_OK (all), HTTP_PARTIAL, or HTTP_BAD_RANGE. */
enum http_status http_range(struct http_request *request, int64_t size);

struct http_answer {
	enum http_status status;
	bool keep;
	int64_t length;		  /* of the body */
	const char *type;	  /* of the body, or NULL */
	int64_t modified;	  /* seconds since 1970; 0: not told */
	int64_t first, last, all; /* of HTTP_PARTIAL; HTTP_BAD_RANGE: all */
	const char *location;	  /* of HTTP_MOVED: a path as in http_request */
};

/* The head of an answer; its size, at most HTTP_ANSWER_MAX. */
#define HTTP_ANSWER_MAX (HTTP_PATH_MAX * 3 + 1024)
size_t http_answer(char *buffer, const struct http_answer *answer);

/* "Not Found" */
const char *http_reason(enum http_status status);

/* The media type that the end of a name stands for. */
const char *http_type(const char *path);

#endif /* EXAMPLES_HTTP_H */
