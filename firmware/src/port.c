#include "board.h"
#include "kernel.h"
#include "text.h"

#define MSTATUS_MIE 0x8u
#define MSTATUS_MPIE 0x80u
#define MSTATUS_MPP_MACHINE 0x1800u
#define MIE_SOFTWARE 0x8u
#define MIE_TIMER 0x80u
#define CAUSE_TIMER 0x80000007u

volatile UBaseType_t port_interrupt_nesting;

static void vPortTaskWrapper(TaskFunction_t pxCode, void *pvParameters)
{
    /* Nothing called this function: an unwinder ends here. */
    __asm__ volatile(".cfi_undefined ra");
    pxCode(pvParameters);
    for (;;)
        vTaskDelay(UINT32_MAX / 2);
}

StackType_t *pxPortInitialiseStack(StackType_t *top, TaskFunction_t code, void *argument)
{
    extern char __global_pointer$[];
    RvExcFrame *frame = (RvExcFrame *)top - 1;
    memset(frame, 0, sizeof *frame);
    frame->mepc = (uint32_t)vPortTaskWrapper;
    frame->sp = (uint32_t)top;
    frame->gp = (uint32_t)__global_pointer$;
    frame->a0 = (uint32_t)code;
    frame->a1 = (uint32_t)argument;
    frame->mstatus = MSTATUS_MPIE | MSTATUS_MPP_MACHINE;
    return (StackType_t *)frame;
}

void port_start_first_task(void)
{
    extern void port_restore_context(void) __attribute__((noreturn));
    board_set_tick_in(CONFIG_TICK_MS);
    __asm__ volatile("csrs mie, %0" : : "r"(MIE_SOFTWARE | MIE_TIMER));
    port_restore_context();
}

void port_handle_interrupt(uint32_t cause)
{
    port_interrupt_nesting++;
    if (cause == CAUSE_TIMER) {
        board_set_tick_in(CONFIG_TICK_MS);
        xTaskIncrementTick();
    } else {
        board_request_switch(false);
    }
    vTaskSwitchContext();
    port_interrupt_nesting--;
}

void vPortYield(void)
{
    /* As ESP-IDF does: a software interrupt, so that a waiting task's registers are saved in a whole frame. */
    board_request_switch(true);
    while (board_switch_requested())
        ;
}

uint32_t port_disable_interrupts(void)
{
    uint32_t state;
    __asm__ volatile("csrrc %0, mstatus, %1" : "=r"(state) : "r"(MSTATUS_MIE) : "memory");
    return state;
}

void port_restore_interrupts(uint32_t state)
{
    __asm__ volatile("csrs mstatus, %0" : : "r"(state & MSTATUS_MIE) : "memory");
}
