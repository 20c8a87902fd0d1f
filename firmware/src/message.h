/* Settings messages: "offset=12;gain=2350". */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct setting {
    const char *name;
    uint32_t updates;
    int32_t value;
};

struct message {
    uint16_t id;
    const char *topic;
    const char *payload;
};

/* Stores every field of the payload in its setting. Returns the number of fields. */
int process_message(const struct message *message, size_t max_fields);
const struct setting *settings_find(const char *name, size_t length);
