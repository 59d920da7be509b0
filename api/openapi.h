#ifndef SLUICE_API_OPENAPI_H
#define SLUICE_API_OPENAPI_H
/* The OpenAPI 3.1 page, made from the route table and the error table. */
#include "base/err.h"
#include "base/str.h"

/* The document, to be freed with mem_free. */
enum err openapi_write(struct str *ret_page) MUST_CHECK;
#endif
