#include "console.h"

#include "app_description.h"
#include "board.h"
#include "kernel.h"
#include "log.h"
#include "message.h"
#include "panic.h"
#include "sensor.h"
#include "text.h"

#define PROMPT "esp> "
#define LINE_BYTES 80u
#define FIRST_CRASH_MS 4000u
#define NEXT_CRASH_MS 30000u

struct command {
    const char *name, *help;
    void (*run)(const char *argument);
};

/* Prompt and what was typed behind it, as it stands on the terminal. */
static char line[sizeof PROMPT + LINE_BYTES];
static size_t prompt_length, line_length;
static bool typed;

static void command_help(const char *argument);

static void command_tasks(const char *argument)
{
    (void)argument;
    print("Name         Priority  Stack free\n");
    for (UBaseType_t index = 0; index < uxTaskGetNumberOfTasks(); index++) {
        const TCB_t *task = task_at(index);
        print("%-12s %8u  %10u\n", task->pcTaskName, task->uxPriority,
              (uint32_t)task->pxTopOfStack - (uint32_t)task->pxStack);
    }
}

static void command_status(const char *argument)
{
    extern const char _heap_start[], _heap_end[];
    (void)argument;
    print("Project:    %s %s (ESP-IDF %s)\n", (const char *)app_description.project_name,
          (const char *)app_description.version, IDF_VERSION);
    print("ELF SHA256: %s...\n", app_elf_sha256_prefix());
    print("Free heap:  %u bytes\n", (uint32_t)(_heap_end - _heap_start));
    print("Sensor:     indoor, history of 512 samples\n");
}

static void command_echo(const char *argument) { print("%s\n", argument); }

static __attribute__((noinline)) void command_crash(const char *argument)
{
    const struct message message = {42, "greenhouse/settings", "offset=12;gain=2350"};
    (void)argument;
    ESP_LOGI("settings", "message %u for %s: %s", message.id, message.topic, message.payload);
    int fields = process_message(&message, 8);
    print("%d fields stored\n", fields);
}

static __attribute__((noinline)) void command_abort(const char *argument)
{
    ESP_LOGE("console", "giving up as told: abort %s", argument);
    abort();
}

static __attribute__((noinline)) void command_assert(const char *argument)
{
    const struct setting *setting = settings_find("gain", 4);
    ESP_LOGE("console", "checking the settings %s", argument);
    assert(setting != NULL);
}

static void command_restart(const char *argument)
{
    (void)argument;
    ESP_LOGI("console", "Restarting");
    board_reset(RESET_SOFTWARE_SYSTEM);
}

static const struct command COMMANDS[] = {
    {"help", "Print the list of commands", command_help},
    {"tasks", "Print the tasks", command_tasks},
    {"status", "Print versions and memory", command_status},
    {"echo", "Print the text that follows", command_echo},
    {"crash", "Process a message that stores through a null pointer", command_crash},
    {"abort", "Call abort()", command_abort},
    {"assert", "Let an assertion fail", command_assert},
    {"restart", "Restart the board", command_restart},
};

static void command_help(const char *argument)
{
    (void)argument;
    for (size_t index = 0; index < sizeof COMMANDS / sizeof *COMMANDS; index++)
        print("%-8s  %s\n", COMMANDS[index].name, COMMANDS[index].help);
}

static __attribute__((noinline)) void console_run(char *text)
{
    char *argument = text;
    while (*argument && *argument != ' ')
        argument++;
    if (*argument)
        *argument++ = '\0';
    if (!*text)
        return;
    for (size_t index = 0; index < sizeof COMMANDS / sizeof *COMMANDS; index++)
        if (strcmp(COMMANDS[index].name, text) == 0) {
            COMMANDS[index].run(argument);
            return;
        }
    print("Unrecognized command: %s\n", text);
}

static void show_prompt(void)
{
    line_length = 0;
    line[prompt_length] = '\0';
    vTaskSuspendAll();
    uart_write(line);
    log_set_prompt_line(line);
    xTaskResumeAll();
}

static void enter(void)
{
    char text[LINE_BYTES];
    memcpy(text, line + prompt_length, line_length + 1);
    log_set_prompt_line(NULL);
    print("\n");
    console_run(text);
    show_prompt();
}

static void receive(char character)
{
    static char previous;
    typed = true;
    if (character == '\r' || (character == '\n' && previous != '\r')) {
        enter();
    } else if (character == '\b' || character == 0x7f) {
        if (line_length) {
            line[prompt_length + --line_length] = '\0';
            print("\b \b");
        }
    } else if (character >= ' ' && line_length < LINE_BYTES - 1) {
        line[prompt_length + line_length++] = character;
        line[prompt_length + line_length] = '\0';
        print("%c", character);
    }
    previous = character;
}

static bool should_crash_by_itself(uint32_t ready_at_ms)
{
    uint32_t after_ms = board_crash_count() ? NEXT_CRASH_MS : FIRST_CRASH_MS;
    bool wanted = scenario_word == SCENARIO_CRASH || scenario_word == SCENARIO_NO_END;
    return wanted && !typed && board_milliseconds() - ready_at_ms >= after_ms;
}

void console_task(void *argument)
{
    uint32_t ready_at_ms = board_milliseconds();
    (void)argument;
    /* Between the lines of a chatty board a prompt would be noise. */
    if (scenario_word != SCENARIO_CHATTY)
        prompt_length = text_format(line, sizeof line, PROMPT);
    print("Type 'help' to get the list of commands.\n");
    show_prompt();
    for (;;) {
        int received = uart_get();
        if (received >= 0) {
            receive((char)received);
        } else if (should_crash_by_itself(ready_at_ms)) {
            char command[] = "crash";
            log_set_prompt_line(NULL);
            print("\n");
            console_run(command);
        } else {
            vTaskDelay(1);
        }
    }
}
