/* What the application says about itself. */
#pragma once

#include <stdint.h>

#define APP_SHA_HEX_LENGTH 9u   /* CONFIG_APP_RETRIEVE_LEN_ELF_SHA of ESP-IDF 5.3 */
#define IDF_VERSION "v5.3.2"

struct app_description {
    uint32_t magic;
    char version[32];
    char project_name[32];
    /* Zeros in the ELF file; record.py writes the ELF file's SHA-256 into the image, as ESP-IDF does. */
    uint8_t app_elf_sha256[32];
};

extern const volatile struct app_description app_description;

/* The first APP_SHA_HEX_LENGTH digits of the ELF file's SHA-256. */
const char *app_elf_sha256_prefix(void);
