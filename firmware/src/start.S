/* Entry after reset, and the trap vector. */

    .section .start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, _panic_stack_top
    la t0, trap_entry
    csrw mtvec, t0
    la t0, _bss_start
    la t1, _bss_end
1:  bgeu t0, t1, 2f
    sw zero, 0(t0)
    addi t0, t0, 4
    j 1b
2:  call boot_main
3:  j 3b

/* The frame is the one of ESP-IDF's RISC-V port (RvExcFrame): mepc, x1..x31, mstatus, mtvec, mcause, mtval, mhartid;
 * 37 words, kept 16-byte aligned. Debuggers and core dump readers know it. */
    .equ FRAME_BYTES, 160

    .macro ALL_REGISTERS operation
    .irp number, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \operation x\number, (4 * \number)(sp)
    .endr
    .endm

    .text
    .balign 4
    .globl trap_entry
trap_entry:
    addi sp, sp, -FRAME_BYTES
    ALL_REGISTERS sw
    addi t0, sp, FRAME_BYTES
    sw t0, 8(sp)
    csrr t0, mepc
    sw t0, 0(sp)
    csrr t0, mstatus
    sw t0, 128(sp)
    csrr t0, mtvec
    sw t0, 132(sp)
    csrr t0, mcause
    sw t0, 136(sp)
    csrr t1, mtval
    sw t1, 140(sp)
    csrr t1, mhartid
    sw t1, 144(sp)
    bltz t0, interrupt

    /* A panic runs on its own stack so that the crashed task's stack stays as it was. */
    mv a0, sp
    la sp, _panic_stack_top
    call panic_handler
1:  j 1b

interrupt:
    la t1, pxCurrentTCBs
    lw t1, 0(t1)
    sw sp, 0(t1)
    la sp, _isr_stack_top
    mv a0, t0
    call port_handle_interrupt

    .globl port_restore_context
port_restore_context:
    la t1, pxCurrentTCBs
    lw t1, 0(t1)
    lw sp, 0(t1)
    lw t0, 0(sp)
    csrw mepc, t0
    lw t0, 128(sp)
    csrw mstatus, t0
    ALL_REGISTERS lw
    addi sp, sp, FRAME_BYTES
    mret
