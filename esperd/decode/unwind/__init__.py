"""Walking stacks: ``frames`` has a frame, ``xtensa`` and ``riscv`` find its caller, ``walk`` goes on to the end."""
