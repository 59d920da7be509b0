#include "base/json_tree.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <string.h>

#include "base/json_number.h"
#include "base/mem.h"

/* A `struct json_tree` is a cJSON under another name. cJSON has no use for `valueint` in an array
 * or object: here it says that something could not be added. What cJSON cannot hold as a value of
 * its own, a long number or a string with a NUL, is kept as the text to print (cJSON_Raw). */

static cJSON *node_of(struct json_tree *t)
{
    return (cJSON *)t;
}

static struct json_tree *tree_of(cJSON *node)
{
    return (struct json_tree *)node;
}

static void set_hooks(void)
{
    cJSON_Hooks hooks = {.malloc_fn = mem_alloc, .free_fn = mem_free};
    cJSON_InitHooks(&hooks);
}

/* Every node is made here, so that none is made before the hooks are set. */
static cJSON *new_node(int type)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_hooks); /* fails for no valid control */
    cJSON *node = cJSON_CreateNull();
    if (node != NULL)
        node->type = type;
    return node;
}

/* Takes `text`, from mem_alloc; NULL is fine. */
static cJSON *new_text(int type, char *text)
{
    cJSON *node = text ? new_node(type) : NULL;
    if (node == NULL) {
        mem_free(text);
        return NULL;
    }
    node->valuestring = text;
    return node;
}

/* Does printing `value` say what `text` said? */
static bool is_exact(const struct json_decimal *text, double value)
{
    char printed[JSON_DOUBLE_TEXT];
    struct json_decimal d;
    json_decimal_read((struct str){printed, json_double_format(value, printed)}, &d);
    return json_decimal_eq(text, &d);
}

static cJSON *new_number(struct str text)
{
    struct json_decimal d;
    json_decimal_read(text, &d);
    double value = json_decimal_to_double(&d);
    if (!is_exact(&d, value))
        return new_text(cJSON_Raw, mem_strdup(text));
    cJSON *node = new_node(cJSON_Number);
    if (node != NULL)
        cJSON_SetNumberHelper(node, value);
    return node;
}

static cJSON *new_string(struct str s)
{
    if (s.len == 0 || memchr(s.at, '\0', s.len) == NULL)
        return new_text(cJSON_String, mem_strdup(s));
    struct buf quoted;
    buf_init(&quoted, SIZE_MAX);
    json_add_string(&quoted, s);
    buf_add_char(&quoted, '\0');
    size_t len;
    return new_text(cJSON_Raw, buf_take(&quoted, &len));
}

/* --- building --------------------------------------------------------------------------------- */

struct json_tree *json_tree_object(void)
{
    return tree_of(new_node(cJSON_Object));
}

struct json_tree *json_tree_array(void)
{
    return tree_of(new_node(cJSON_Array));
}

void json_tree_destroy(struct json_tree *t)
{
    cJSON_Delete(node_of(t));
}

/* `name` is NULL in an array. A parent that could not be made takes its children with it. */
static void add_node(cJSON *parent, const char *name, cJSON *child)
{
    if (parent == NULL) {
        cJSON_Delete(child);
        return;
    }
    bool added = child != NULL && (name ? cJSON_AddItemToObject(parent, name, child)
                                        : cJSON_AddItemToArray(parent, child));
    if (added)
        return;
    cJSON_Delete(child);
    parent->valueint = 1;
}

void json_tree_add(struct json_tree *object, const char *name, struct json_tree *child)
{
    add_node(node_of(object), name, node_of(child));
}

void json_tree_append(struct json_tree *array, struct json_tree *child)
{
    add_node(node_of(array), NULL, node_of(child));
}

void json_tree_add_str(struct json_tree *object, const char *name, struct str value)
{
    add_node(node_of(object), name, new_string(value));
}

void json_tree_append_str(struct json_tree *array, struct str value)
{
    add_node(node_of(array), NULL, new_string(value));
}

void json_tree_add_int(struct json_tree *object, const char *name, int64_t value)
{
    struct buf text;
    buf_init(&text, 32);
    buf_add_i64(&text, value);
    add_node(node_of(object), name, buf_ok(&text) == OK ? new_number(buf_str(&text)) : NULL);
    buf_fini(&text);
}

void json_tree_add_double(struct json_tree *object, const char *name, double value)
{
    cJSON *node = new_node(cJSON_Number);
    if (node != NULL)
        cJSON_SetNumberHelper(node, value);
    add_node(node_of(object), name, node);
}

void json_tree_add_bool(struct json_tree *object, const char *name, bool value)
{
    add_node(node_of(object), name, new_node(value ? cJSON_True : cJSON_False));
}

void json_tree_add_null(struct json_tree *object, const char *name)
{
    add_node(node_of(object), name, new_node(cJSON_NULL));
}

/* --- from text -------------------------------------------------------------------------------- */

static cJSON *copy_value(struct json v, struct arena *scratch);

static void copy_elements(struct json array, cJSON *node, struct arena *scratch)
{
    for (struct json e = json_first(array); json_exists(e); e = json_next(array, e))
        add_node(node, NULL, copy_value(e, scratch));
}

static void copy_members(struct json object, cJSON *node, struct arena *scratch)
{
    for (struct json_member m = json_first_member(object); json_exists(m.value);
         m = json_next_member(object, m)) {
        struct str name;
        bool fits = json_string(m.name, scratch, &name) && memchr(name.at, '\0', name.len) == NULL;
        struct str key = fits ? arena_str(scratch, name) : STR_NONE;
        if (key.at != NULL)
            add_node(node, key.at, copy_value(m.value, scratch));
        else
            node->valueint = 1;
    }
}

static cJSON *copy_string(struct json v, struct arena *scratch)
{
    struct str s;
    return json_string(v, scratch, &s) ? new_string(s) : NULL;
}

/* As deep as the parser lets a text be. A container that could not be filled is given up. */
static cJSON *copy_container(struct json v, struct arena *scratch)
{
    bool is_array = json_is(v, JSON_ARRAY);
    cJSON *node = new_node(is_array ? cJSON_Array : cJSON_Object);
    if (node == NULL)
        return NULL;
    if (is_array)
        copy_elements(v, node, scratch);
    else
        copy_members(v, node, scratch);
    if (node->valueint == 0)
        return node;
    cJSON_Delete(node);
    return NULL;
}

static cJSON *copy_value(struct json v, struct arena *scratch)
{
    switch (json_type(v)) {
    case JSON_NULL: return new_node(cJSON_NULL);
    case JSON_FALSE: return new_node(cJSON_False);
    case JSON_TRUE: return new_node(cJSON_True);
    case JSON_NUMBER: return new_number(json_raw(v));
    case JSON_STRING: return copy_string(v, scratch);
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    return copy_container(v, scratch);
}

struct json_tree *json_tree_copy_of(struct json v)
{
    if (!json_exists(v))
        return NULL;
    struct arena scratch;
    arena_init(&scratch, SIZE_MAX);
    cJSON *node = copy_value(v, &scratch);
    arena_fini(&scratch);
    return tree_of(node);
}

static bool holds_nul(struct json string, struct arena *scratch, enum err *e)
{
    struct str s = STR_NONE;
    if (!json_string(string, scratch, &s))
        *e = ERR_NOMEM;
    return s.len > 0 && memchr(s.at, '\0', s.len) != NULL;
}

/* Looks at all strings, names and values: only an escape can stand for a NUL. */
static enum err refuse_nul(const struct json_doc *doc, struct str text,
                           struct json_fault *ret_fault)
{
    struct arena scratch;
    arena_init(&scratch, SIZE_MAX);
    enum err e = OK;
    for (uint32_t i = 0; i < doc->count && e == OK; i++) {
        const struct json_token *t = &doc->tokens[i];
        if (!t->escaped || !holds_nul((struct json){doc, i}, &scratch, &e))
            continue;
        e = ERR_INVALID_JSON;
        if (ret_fault != NULL)
            *ret_fault = json_fault_at(text, t->start, "a string with a NUL has no place here");
    }
    arena_fini(&scratch);
    return e;
}

enum err json_tree_parse(struct str text, struct json_fault *ret_fault, struct json_tree **ret_tree)
{
    struct json_doc doc;
    json_doc_init(&doc);
    struct json_tree *tree = NULL;
    enum err e = json_parse(&doc, text, ret_fault);
    if (e == OK)
        e = refuse_nul(&doc, text, ret_fault);
    if (e == OK) {
        tree = json_tree_copy_of(json_root(&doc));
        e = tree ? OK : ERR_NOMEM;
    }
    json_doc_fini(&doc);
    if (e == OK)
        *ret_tree = tree;
    return e;
}

/* --- reading and printing --------------------------------------------------------------------- */

struct json_tree *json_tree_get(struct json_tree *object, const char *name)
{
    const cJSON *node = node_of(object);
    return cJSON_IsObject(node) ? tree_of(cJSON_GetObjectItemCaseSensitive(node, name)) : NULL;
}

struct printer {
    struct buf *b;
    unsigned indent; /* 0: on one line */
    unsigned depth;
    bool failed; /* something is missing in the tree */
};

static void add_break(struct printer *p)
{
    if (p->indent == 0)
        return;
    buf_add_char(p->b, '\n');
    for (unsigned i = 0; i < p->indent * p->depth; i++)
        buf_add_char(p->b, ' ');
}

static void print_name(struct printer *p, const char *name)
{
    json_add_string(p->b, str_of(name));
    buf_add_char(p->b, ':');
    if (p->indent > 0)
        buf_add_char(p->b, ' ');
}

static void print_node(struct printer *p, const cJSON *node);

static void print_container(struct printer *p, const cJSON *node)
{
    bool is_array = cJSON_IsArray(node);
    p->failed |= node->valueint != 0;
    buf_add_char(p->b, is_array ? '[' : '{');
    p->depth++;
    for (const cJSON *child = node->child; child != NULL; child = child->next) {
        add_break(p);
        if (!is_array)
            print_name(p, child->string);
        print_node(p, child);
        if (child->next != NULL)
            buf_add_char(p->b, ',');
    }
    p->depth--;
    if (node->child != NULL)
        add_break(p);
    buf_add_char(p->b, is_array ? ']' : '}');
}

static void print_node(struct printer *p, const cJSON *node)
{
    switch (node->type & 0xFF) {
    case cJSON_NULL: buf_add_lit(p->b, "null"); break;
    case cJSON_False:
    case cJSON_True: json_add_bool(p->b, cJSON_IsTrue(node)); break;
    case cJSON_Number: json_add_double(p->b, node->valuedouble); break;
    case cJSON_Raw: buf_add_str(p->b, str_of(node->valuestring)); break;
    case cJSON_String: json_add_string(p->b, str_of(node->valuestring)); break;
    default: print_container(p, node); break;
    }
}

enum err json_tree_print(const struct json_tree *t, unsigned indent, struct buf *b)
{
    if (t == NULL)
        return ERR_NOMEM;
    struct printer p = {.b = b, .indent = indent};
    print_node(&p, (const cJSON *)t);
    return p.failed ? ERR_NOMEM : buf_ok(b);
}
