/* Doubly linked lists of tasks, in the layout FreeRTOS-aware debuggers walk. */
#pragma once

#include <stddef.h>

#include "kernel.h"

void vListInitialise(List_t *list);
void vListInsertEnd(List_t *list, ListItem_t *item);
/* Ordered by xItemValue. */
void vListInsert(List_t *list, ListItem_t *item);
void uxListRemove(ListItem_t *item);
/* Round robin; the list must not be empty. */
void *list_next_owner(List_t *list);
