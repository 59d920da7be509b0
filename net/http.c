#include "net/http.h"

#include "base/buf.h"

static bool is_token_char(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(others, c) != NULL);
}

bool http_name_is_valid(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_char(name.at[i]))
            return false;
    }
    return name.len > 0;
}

bool http_value_is_valid(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = (uint8_t)value.at[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return false;
    }
    return true;
}

bool http_add_header(struct http_request *r, struct str name, struct str value)
{
    if (r->header_count == HTTP_MAX_HEADERS || !http_name_is_valid(name) ||
        !http_value_is_valid(value))
        return false;
    r->headers[r->header_count++] = (struct http_header){name, value};
    return true;
}

void http_add_encoded(struct buf *b, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            buf_add_char(b, (char)c);
        } else {
            buf_add_char(b, '%');
            buf_add_char(b, hex[c >> 4]);
            buf_add_char(b, hex[c & 15]);
        }
    }
}
