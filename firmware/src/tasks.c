#include "kernel.h"
#include "list.h"
#include "text.h"

#define MAX_TASKS 4u
#define STACK_FILL 0xa5u

COREDUMP_DRAM_ATTR TCB_t *volatile pxCurrentTCBs[1];
COREDUMP_DRAM_ATTR static List_t pxReadyTasksLists[CONFIG_MAX_PRIORITIES];
COREDUMP_DRAM_ATTR static List_t xDelayedTaskList1;
COREDUMP_DRAM_ATTR static volatile TickType_t xTickCount;
COREDUMP_DRAM_ATTR static volatile UBaseType_t uxCurrentNumberOfTasks;
COREDUMP_DRAM_ATTR static volatile UBaseType_t uxSchedulerSuspended;
COREDUMP_DRAM_ATTR static TCB_t *all_tasks[MAX_TASKS];

static StackType_t idle_stack[256] __attribute__((aligned(16)));
static TCB_t idle_task;

static void make_ready(TCB_t *task)
{
    vListInsertEnd(&pxReadyTasksLists[task->uxPriority], &task->xStateListItem);
}

void xTaskCreateStatic(TaskFunction_t code, const char *name, uint32_t stack_bytes, void *argument,
                       UBaseType_t priority, StackType_t *stack, TCB_t *task)
{
    if (uxCurrentNumberOfTasks == 0) {
        for (UBaseType_t level = 0; level < CONFIG_MAX_PRIORITIES; level++)
            vListInitialise(&pxReadyTasksLists[level]);
        vListInitialise(&xDelayedTaskList1);
    }
    memset(task, 0, sizeof *task);
    memset(stack, STACK_FILL, stack_bytes);
    memcpy(task->pcTaskName, name, strlen(name) + 1);
    task->pxStack = stack;
    task->pxEndOfStack = stack + stack_bytes / sizeof *stack - 4;   /* 16 bytes of margin, aligned */
    task->pxTopOfStack = pxPortInitialiseStack(task->pxEndOfStack, code, argument);
    task->uxPriority = task->uxBasePriority = priority;
    task->xStateListItem.pvOwner = task->xEventListItem.pvOwner = task;
    all_tasks[uxCurrentNumberOfTasks++] = task;
    make_ready(task);
}

UBaseType_t uxTaskGetNumberOfTasks(void) { return uxCurrentNumberOfTasks; }
TCB_t *task_at(UBaseType_t index) { return all_tasks[index]; }

void vTaskSwitchContext(void)
{
    if (uxSchedulerSuspended)
        return;
    UBaseType_t level = CONFIG_MAX_PRIORITIES - 1;
    while (pxReadyTasksLists[level].uxNumberOfItems == 0)
        level--;
    pxCurrentTCBs[0] = list_next_owner(&pxReadyTasksLists[level]);
}

bool xTaskIncrementTick(void)
{
    bool woken = false;
    xTickCount++;
    pxCurrentTCBs[0]->ulRunTimeCounter++;
    while (xDelayedTaskList1.uxNumberOfItems) {
        ListItem_t *first = xDelayedTaskList1.xListEnd.pxNext;
        if (first->xItemValue > xTickCount)
            break;
        uxListRemove(first);
        make_ready(first->pvOwner);
        woken = true;
    }
    return woken;
}

void vTaskDelay(TickType_t ticks)
{
    uint32_t state = port_disable_interrupts();
    ListItem_t *item = &pxCurrentTCBs[0]->xStateListItem;
    uxListRemove(item);
    item->xItemValue = xTickCount + ticks;
    vListInsert(&xDelayedTaskList1, item);
    port_restore_interrupts(state);
    vPortYield();
}

void vTaskSuspendAll(void) { uxSchedulerSuspended++; }

void xTaskResumeAll(void)
{
    if (--uxSchedulerSuspended == 0)
        vPortYield();
}

static __attribute__((noinline)) void vApplicationIdleHook(void)
{
    __asm__ volatile("wfi");
}

static void prvIdleTask(void *argument)
{
    (void)argument;
    for (;;)
        vApplicationIdleHook();
}

void vTaskStartScheduler(void)
{
    extern void port_start_first_task(void) __attribute__((noreturn));
    xTaskCreateStatic(prvIdleTask, "IDLE", sizeof idle_stack, NULL, 0, idle_stack, &idle_task);
    vTaskSwitchContext();
    port_start_first_task();
}
