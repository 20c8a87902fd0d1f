#include "sensor.h"

#include "board.h"
#include "kernel.h"
#include "log.h"

#define HISTORY_LENGTH 512u
#define CONVERSION_MS 40u
#define PERIOD_MS 5000u
#define CHATTY_PERIOD_MS 100u
#define WARM_TENTHS 262

struct sample {
    uint32_t at_ms;
    int16_t temperature_tenths;
    uint16_t humidity_tenths;
    uint32_t sequence;
};

struct sensor {
    const char *name;
    uint32_t address;
    uint32_t reads;
};

COREDUMP_DRAM_ATTR static struct sample history[HISTORY_LENGTH];
COREDUMP_DRAM_ATTR static uint32_t samples_stored;
COREDUMP_DRAM_ATTR static struct sensor indoor;

uint32_t sensor_samples_stored(void) { return samples_stored; }

/* The same reading for the same sequence number, so that each recording says the same: a slow wave. */
static struct sample reading(uint32_t sequence, uint32_t at_ms)
{
    int32_t phase = (int32_t)(sequence % 64u);
    int32_t wave = phase < 32 ? phase : 64 - phase;
    uint32_t noise = sequence * 2654435761u >> 29;
    return (struct sample){at_ms, (int16_t)(230 + wave + (int32_t)noise), (uint16_t)(480 - wave * 3), sequence};
}

static void remember(const struct sample *sample)
{
    history[samples_stored++ % HISTORY_LENGTH] = *sample;
}

static __attribute__((noinline)) void sensor_wait_ready(struct sensor *sensor, uint32_t timeout_ms)
{
    vTaskDelay(timeout_ms / CONFIG_TICK_MS);
    sensor->reads++;
}

static __attribute__((noinline)) void sensor_read(struct sensor *sensor, struct sample *result)
{
    sensor_wait_ready(sensor, CONVERSION_MS);
    *result = reading(samples_stored, board_milliseconds());
    remember(result);
}

static void report(const struct sample *sample)
{
    int32_t tenths = sample->temperature_tenths;
    if (tenths >= WARM_TENTHS)
        ESP_LOGW("sensor", "temperature %d.%d C is above the limit", tenths / 10, tenths % 10);
    else
        ESP_LOGI("sensor", "temperature %d.%d C, humidity %u.%u %%", tenths / 10, tenths % 10,
                 sample->humidity_tenths / 10u, sample->humidity_tenths % 10u);
}

static void chat(const struct sample *sample)
{
    uint32_t turn = sample->sequence;
    report(sample);
    ESP_LOGD("i2c_master", "read 0x%02x: %d bytes, ack", indoor.address, 6);
    if (turn % 3 == 0)
        ESP_LOGI("mqtt_client", "published greenhouse/climate/indoor, msg_id=%u, %u bytes", turn, 48 + turn % 9);
    if (turn % 7 == 3)
        ESP_LOGW("wifi", "rssi %d dBm, retry %u of 5", -70 - (int32_t)(turn % 19), turn % 5 + 1);
    if (turn % 17 == 11)
        ESP_LOGE("mqtt_client", "Error transport connect, errno=%d", 113);
    if (turn % 11 == 5)
        ESP_LOGD("nvs", "commit page %u, %u entries used", turn % 6, turn % 126);
}

void sensor_task(void *argument)
{
    struct sample sample;
    (void)argument;
    indoor = (struct sensor){"indoor", 0x44, 0};
    /* A day's worth of samples, so that there is something to look at in a core dump of a young board. */
    for (uint32_t sequence = 0; sequence < HISTORY_LENGTH; sequence++) {
        sample = reading(sequence, 0);
        remember(&sample);
    }
    ESP_LOGI("sensor", "found %s at 0x%02x, %u samples restored", indoor.name, indoor.address, samples_stored);
    for (;;) {
        bool chatty = scenario_word == SCENARIO_CHATTY;
        vTaskDelay((chatty ? CHATTY_PERIOD_MS : PERIOD_MS) / CONFIG_TICK_MS);
        sensor_read(&indoor, &sample);
        if (chatty)
            chat(&sample);
        else
            report(&sample);
    }
}
