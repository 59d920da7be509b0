#include "api/openapi.h"

#include <stdio.h>

#include "api/routes.h"
#include "base/json_tree.h"

static void add_parameter(struct json_tree *list, const char *name, const char *in, bool required)
{
    struct json_tree *p = json_tree_object();
    struct json_tree *schema = json_tree_object();
    json_tree_add_str(p, "name", str_of(name));
    json_tree_add_str(p, "in", str_of(in));
    json_tree_add_bool(p, "required", required);
    json_tree_add_str(schema, "type", STR("string"));
    json_tree_add(p, "schema", schema);
    json_tree_append(list, p);
}

/* "/v1/runs/{id}/tasks/{path}": id and path. */
static void add_path_parameters(struct json_tree *list, struct str path)
{
    while (path.at != NULL) {
        struct str segment = str_cut(&path, '/');
        char name[32];
        if (segment.len < 3 || segment.at[0] != '{')
            continue;
        str_copy(name, sizeof name, (struct str){segment.at + 1, segment.len - 2});
        add_parameter(list, name, "path", true);
    }
}

static void add_query_parameters(struct json_tree *list, const char *const *query)
{
    for (size_t i = 0; query != NULL && query[i] != NULL; i++) {
        bool is_prefix = query[i][strlen(query[i]) - 1] == '.';
        add_parameter(list, is_prefix ? "metadata.KEY" : query[i], "query", false);
    }
}

static struct json_tree *content_of(const char *type, const char *schema_ref)
{
    struct json_tree *content = json_tree_object();
    struct json_tree *media = json_tree_object();
    struct json_tree *schema = json_tree_object();
    if (schema_ref != NULL)
        json_tree_add_str(schema, "$ref", str_of(schema_ref));
    json_tree_add(media, "schema", schema);
    json_tree_add(content, type, media);
    return content;
}

static struct json_tree *response_of(const char *description, struct json_tree *content)
{
    struct json_tree *response = json_tree_object();
    json_tree_add_str(response, "description", str_of(description));
    json_tree_add(response, "content", content);
    return response;
}

static struct json_tree *responses_of(const struct route *r)
{
    struct json_tree *responses = json_tree_object();
    bool is_json = r->answer != ANSWERS_EVENTS;
    struct json_tree *content = is_json ? content_of("application/json", NULL) : json_tree_object();
    if (r->answer == ANSWERS_STREAM || r->answer == ANSWERS_EVENTS) {
        json_tree_add(content, "text/event-stream", json_tree_object());
        json_tree_add(content, "application/x-ndjson", json_tree_object());
    }
    json_tree_add(responses, "2XX", response_of("Done, or begun", content));
    json_tree_add(responses, "default",
                  response_of("A problem (RFC 9457)", content_of("application/problem+json",
                                                                 "#/components/schemas/Problem")));
    return responses;
}

static struct json_tree *security_of(const struct route *r)
{
    struct json_tree *list = json_tree_array();
    static const char *const schemes[] = {"bearer", "key"};
    for (size_t i = 0; r->scope != SCOPE_OPEN && i < 2; i++) {
        struct json_tree *one = json_tree_object();
        json_tree_add(one, schemes[i], json_tree_array());
        json_tree_append(list, one);
    }
    return list;
}

static struct json_tree *operation_of(const struct route *r)
{
    struct json_tree *op = json_tree_object();
    struct json_tree *parameters = json_tree_array();
    json_tree_add_str(op, "summary", str_of(r->summary));
    add_path_parameters(parameters, str_of(r->path));
    add_query_parameters(parameters, r->query);
    json_tree_add(op, "parameters", parameters);
    if (r->takes_body) {
        struct json_tree *body = json_tree_object();
        json_tree_add(body, "content", content_of("application/json", NULL));
        json_tree_add(op, "requestBody", body);
    }
    json_tree_add(op, "responses", responses_of(r));
    json_tree_add(op, "security", security_of(r));
    return op;
}

static void add_paths(struct json_tree *root)
{
    struct json_tree *paths = json_tree_object();
    for (size_t i = 0; i < route_count; i++) {
        struct json_tree *path = json_tree_get(paths, routes[i].path);
        if (path == NULL) {
            path = json_tree_object();
            json_tree_add(paths, routes[i].path, path);
        }
        char method[16];
        size_t n = 0;
        for (const char *m = routes[i].method; *m != '\0' && n + 1 < sizeof method; m++)
            method[n++] = (char)(*m | 32);
        method[n] = '\0';
        json_tree_add(path, method, operation_of(&routes[i]));
    }
    json_tree_add(root, "paths", paths);
}

static struct json_tree *problem_schema(void)
{
    struct json_tree *schema = json_tree_object();
    struct json_tree *properties = json_tree_object();
    struct json_tree *code = json_tree_object();
    struct json_tree *codes = json_tree_array();
    for (int e = 1; e < ERR_NOMEM; e++) {
        if (err_status((enum err)e) != 0)
            json_tree_append_str(codes, str_of(err_code((enum err)e)));
    }
    json_tree_add_str(schema, "type", STR("object"));
    json_tree_add_str(code, "type", STR("string"));
    json_tree_add(code, "enum", codes);
    json_tree_add(properties, "code", code);
    json_tree_add(schema, "properties", properties);
    return schema;
}

static void add_scheme(struct json_tree *schemes, const char *name, const char *type,
                       const char *key, const char *value)
{
    struct json_tree *s = json_tree_object();
    json_tree_add_str(s, "type", str_of(type));
    json_tree_add_str(s, key, str_of(value));
    if (strcmp(type, "apiKey") == 0)
        json_tree_add_str(s, "in", STR("header"));
    json_tree_add(schemes, name, s);
}

static void add_components(struct json_tree *root)
{
    struct json_tree *components = json_tree_object();
    struct json_tree *schemas = json_tree_object();
    struct json_tree *schemes = json_tree_object();
    json_tree_add(schemas, "Problem", problem_schema());
    json_tree_add(components, "schemas", schemas);
    add_scheme(schemes, "bearer", "http", "scheme", "bearer");
    add_scheme(schemes, "key", "apiKey", "name", "x-api-key");
    json_tree_add(components, "securitySchemes", schemes);
    json_tree_add(root, "components", components);
}

enum err openapi_write(struct str *ret_page)
{
    struct json_tree *root = json_tree_object();
    struct json_tree *info = json_tree_object();
    json_tree_add_str(root, "openapi", STR("3.1.0"));
    json_tree_add_str(info, "title", STR("Sluice"));
    json_tree_add_str(info, "version", STR("1"));
    json_tree_add(root, "info", info);
    add_paths(root);
    add_components(root);
    struct buf b;
    buf_init(&b, 1048576);
    enum err e = json_tree_print(root, 0, &b);
    json_tree_destroy(root);
    size_t len = 0;
    char *own = e == OK ? buf_take(&b, &len) : NULL;
    buf_fini(&b);
    if (own == NULL)
        return ERR_NOMEM;
    *ret_page = (struct str){own, len};
    return OK;
}
