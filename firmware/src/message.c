#include "message.h"

#include "kernel.h"
#include "text.h"

#define SETTING_COUNT 3u

COREDUMP_DRAM_ATTR static struct setting settings[SETTING_COUNT];
COREDUMP_DRAM_ATTR static struct message last_message;

static void settings_init(void)
{
    static const char *const NAMES[SETTING_COUNT] = {"interval", "offset", "threshold"};
    for (size_t index = 0; index < SETTING_COUNT; index++)
        settings[index].name = NAMES[index];
}

const struct setting *settings_find(const char *name, size_t length)
{
    if (!settings[0].name)
        settings_init();
    for (size_t index = 0; index < SETTING_COUNT; index++)
        if (strlen(settings[index].name) == length && memcmp(settings[index].name, name, length) == 0)
            return &settings[index];
    return NULL;
}

static __attribute__((noinline)) void store_value(struct setting *setting, int32_t value)
{
    setting->value = value;
    setting->updates++;
}

/* This is the bug that the command `crash` shows: the name may be unknown. Returns the length of the field. */
static __attribute__((noinline)) size_t parse_field(const char *field, size_t index)
{
    size_t name_length = 0, at;
    int32_t value = 0;
    while (field[name_length] && field[name_length] != '=')
        name_length++;
    for (at = name_length + 1; field[at] >= '0' && field[at] <= '9'; at++)
        value = value * 10 + (field[at] - '0');
    struct setting *setting = (struct setting *)settings_find(field, name_length);
    store_value(setting, value);
    last_message.id = (uint16_t)(last_message.id + index);
    return field[at] == ';' ? at + 1 : at;
}

__attribute__((noinline)) int process_message(const struct message *message, size_t max_fields)
{
    size_t count = 0;
    const char *field = message->payload;
    last_message = *message;
    while (*field && count < max_fields) {
        field += parse_field(field, count);
        count++;
    }
    return (int)(count + message->id - last_message.id);
}
