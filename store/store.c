#include "store/store.h"

const char *store_result_name(enum store_result r)
{
    switch (r) {
    case STORE_OK: return "ok";
    case STORE_EXISTS: return "exists";
    case STORE_FENCED: return "fenced";
    case STORE_ABSENT: return "absent";
    case STORE_CONFLICT: return "conflict";
    case STORE_UNKNOWN: return "unknown";
    case STORE_UNAVAILABLE: return "unavailable";
    }
    return "";
}
