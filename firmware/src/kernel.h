/* A small preemptive kernel with the shape of FreeRTOS.
 *
 * Names and layouts of the task control block, the lists and the saved registers are those that FreeRTOS-aware
 * debuggers and core dump decoders look for; the code is our own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_TICK_MS 10u
#define CONFIG_MAX_PRIORITIES 4u
#define CONFIG_TASK_NAME_LEN 16u

/* Variables to be found in every core dump. */
#define COREDUMP_DRAM_ATTR __attribute__((section(".coredump_dram")))

typedef uint32_t StackType_t;
typedef int32_t BaseType_t;
typedef uint32_t UBaseType_t;
typedef uint32_t TickType_t;
typedef void (*TaskFunction_t)(void *);

typedef struct xLIST_ITEM {
    TickType_t xItemValue;
    struct xLIST_ITEM *pxNext, *pxPrevious;
    void *pvOwner;
    struct xLIST *pxContainer;
} ListItem_t;

typedef struct xLIST {
    UBaseType_t uxNumberOfItems;
    ListItem_t *pxIndex;
    ListItem_t xListEnd;
} List_t;

typedef struct tskTaskControlBlock {
    volatile StackType_t *pxTopOfStack;   /* first: the trap vector stores it without knowing the rest */
    ListItem_t xStateListItem;
    ListItem_t xEventListItem;
    UBaseType_t uxPriority;
    StackType_t *pxStack;
    char pcTaskName[CONFIG_TASK_NAME_LEN];
    BaseType_t xCoreID;
    StackType_t *pxEndOfStack;
    UBaseType_t uxBasePriority;
    UBaseType_t uxMutexesHeld;
    uint32_t ulRunTimeCounter;
} tskTCB;

typedef tskTCB TCB_t;
typedef TCB_t *TaskHandle_t;

/* Registers as the trap vector saves them (start.S); the layout of ESP-IDF's RISC-V port. */
typedef struct {
    uint32_t mepc, ra, sp, gp, tp, t0, t1, t2, s0, s1, a0, a1, a2, a3, a4, a5, a6, a7;
    uint32_t s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6;
    uint32_t mstatus, mtvec, mcause, mtval, mhartid, reserved[3];
} RvExcFrame;

extern TCB_t *volatile pxCurrentTCBs[1];
extern volatile UBaseType_t port_interrupt_nesting;

void xTaskCreateStatic(TaskFunction_t code, const char *name, uint32_t stack_bytes, void *argument,
                       UBaseType_t priority, StackType_t *stack, TCB_t *task);
__attribute__((noreturn)) void vTaskStartScheduler(void);
void vTaskDelay(TickType_t ticks);
/* No other task runs between these two; nothing is lost, interrupts stay on. */
void vTaskSuspendAll(void);
void xTaskResumeAll(void);
UBaseType_t uxTaskGetNumberOfTasks(void);
TCB_t *task_at(UBaseType_t index);

void vTaskSwitchContext(void);
bool xTaskIncrementTick(void);
StackType_t *pxPortInitialiseStack(StackType_t *top, TaskFunction_t code, void *argument);
void vPortYield(void);
uint32_t port_disable_interrupts(void);
void port_restore_interrupts(uint32_t state);
