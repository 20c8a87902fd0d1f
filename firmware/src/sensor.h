/* A simulated climate sensor, read by a task of its own. */
#pragma once

#include <stdint.h>

void sensor_task(void *argument);
uint32_t sensor_samples_stored(void);
