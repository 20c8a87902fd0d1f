/* Start of the firmware: says what a chip's ROM, the second-stage bootloader and ESP-IDF's start-up code say, and runs
 * the application's tasks. Addresses and sizes in these lines are this image's. */
#include "app_description.h"
#include "board.h"
#include "console.h"
#include "core_dump.h"
#include "kernel.h"
#include "log.h"
#include "sensor.h"

#define BOOTLOADER_READY_MS 24u

extern const char _text_start[], _text_end[], _rodata_start[], _rodata_end[], _data_start[], _data_end[];
extern const char _heap_start[], _heap_end[];

static StackType_t main_stack[1024] __attribute__((aligned(16))), sensor_stack[768] __attribute__((aligned(16)));
static TCB_t main_tcb, sensor_tcb;

static uint32_t bytes_between(const char *start, const char *end) { return (uint32_t)(end - start); }

static const char *reset_name(enum reset_reason reason)
{
    switch (reason) {
    case RESET_SOFTWARE_SYSTEM: return "RTC_SW_SYS_RST";
    case RESET_SOFTWARE_CPU: return "RTC_SW_CPU_RST";
    default: return "POWERON";
    }
}

static void rom(void)
{
    enum reset_reason reason = board_reset_reason();
    print_early("ESP-ROM:esp32c3-api1-20210207\nBuild:Feb  7 2021\n");
    print_early("rst:0x%x (%s),boot:0xc (SPI_FAST_FLASH_BOOT)\n", reason, reset_name(reason));
    if (reason != RESET_POWER_ON)
        print_early("Saved PC:0x%08x\n", board_saved_pc());
    print_early("SPIWP:0xee\nmode:DIO, clock div:1\n");
    print_early("load:0x%08x,len:0x%x\n", (uint32_t)_text_start, bytes_between(_text_start, _text_end));
    print_early("load:0x%08x,len:0x%x\n", (uint32_t)_rodata_start, bytes_between(_rodata_start, _rodata_end));
    print_early("load:0x%08x,len:0x%x\n", (uint32_t)_data_start, bytes_between(_data_start, _data_end));
    print_early("entry 0x%08x\n", (uint32_t)_text_start);
}

static void segment(uint32_t index, uint32_t flash_address, const char *start, const char *end, const char *what)
{
    uint32_t bytes = bytes_between(start, end);
    log_write_early('I', "esp_image", "segment %u: paddr=%08x vaddr=%08x size=%05xh (%6u) %s", index, flash_address,
                    (uint32_t)start, bytes, bytes, what);
}

static void bootloader(void)
{
    board_wait_until(BOOTLOADER_READY_MS);
    log_write_early('I', "boot", "ESP-IDF %s 2nd stage bootloader", IDF_VERSION);
    log_write_early('I', "boot", "chip revision: v0.3");
    log_write_early('I', "boot.esp32c3", "SPI Speed      : 80MHz");
    log_write_early('I', "boot.esp32c3", "SPI Mode       : DIO");
    log_write_early('I', "boot.esp32c3", "SPI Flash Size : 4MB");
    log_write_early('I', "boot", "Partition Table:");
    log_write_early('I', "boot", "## Label            Usage          Type ST Offset   Length");
    log_write_early('I', "boot", " 0 nvs              WiFi data        01 02 00009000 00006000");
    log_write_early('I', "boot", " 1 phy_init         RF data          01 01 0000f000 00001000");
    log_write_early('I', "boot", " 2 factory          factory app      00 00 00010000 00100000");
    log_write_early('I', "boot", "End of partition table");
    segment(0, 0x10020, _text_start, _text_end, "map");
    segment(1, 0x18020, _rodata_start, _rodata_end, "map");
    segment(2, 0x1c020, _data_start, _data_end, "load");
    log_write_early('I', "boot", "Loaded app from partition at offset 0x10000");
}

static void start_up(void)
{
    log_write_early('I', "cpu_start", "Unicore app");
    log_write_early('I', "cpu_start", "Pro cpu start user code");
    log_write_early('I', "cpu_start", "cpu freq: 160000000 Hz");
    log_write_early('I', "app_init", "Application information:");
    log_write_early('I', "app_init", "Project name:     %s", (const char *)app_description.project_name);
    log_write_early('I', "app_init", "App version:      %s", (const char *)app_description.version);
    log_write_early('I', "app_init", "ELF file SHA256:  %s...", app_elf_sha256_prefix());
    log_write_early('I', "app_init", "ESP-IDF:          %s", IDF_VERSION);
    log_write_early('I', "efuse_init", "Chip rev:         v0.3");
    log_write_early('I', "heap_init", "Initializing. RAM available for dynamic allocation:");
    uint32_t free = bytes_between(_heap_start, _heap_end);
    log_write_early('I', "heap_init", "At %08x len %08x (%u KiB): RAM", (uint32_t)_heap_start, free, free / 1024u);
    log_write_early('I', "spi_flash", "detected chip: generic");
    log_write_early('I', "spi_flash", "flash io: dio");
}

static void app_main(void)
{
    xTaskCreateStatic(sensor_task, "sensor", sizeof sensor_stack, NULL, 2, sensor_stack, &sensor_tcb);
    console_task(NULL);
}

static void main_task(void *argument)
{
    (void)argument;
    core_dump_init();
    ESP_LOGI("main_task", "Started on CPU0");
    ESP_LOGI("main_task", "Calling app_main()");
    app_main();
}

void boot_main(void)
{
    board_init();
    rom();
    bootloader();
    start_up();
    xTaskCreateStatic(main_task, "main", sizeof main_stack, NULL, 1, main_stack, &main_tcb);
    vTaskStartScheduler();
}
