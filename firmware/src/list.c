#include "list.h"

void vListInitialise(List_t *list)
{
    list->uxNumberOfItems = 0;
    list->pxIndex = &list->xListEnd;
    list->xListEnd.xItemValue = UINT32_MAX;
    list->xListEnd.pxNext = list->xListEnd.pxPrevious = &list->xListEnd;
}

static void insert_before(List_t *list, ListItem_t *next, ListItem_t *item)
{
    item->pxNext = next;
    item->pxPrevious = next->pxPrevious;
    next->pxPrevious->pxNext = item;
    next->pxPrevious = item;
    item->pxContainer = list;
    list->uxNumberOfItems++;
}

void vListInsertEnd(List_t *list, ListItem_t *item)
{
    insert_before(list, list->pxIndex, item);
}

void vListInsert(List_t *list, ListItem_t *item)
{
    ListItem_t *next = list->xListEnd.pxNext;
    while (next != &list->xListEnd && next->xItemValue <= item->xItemValue)
        next = next->pxNext;
    insert_before(list, next, item);
}

void uxListRemove(ListItem_t *item)
{
    List_t *list = item->pxContainer;
    if (list->pxIndex == item)
        list->pxIndex = item->pxPrevious;
    item->pxPrevious->pxNext = item->pxNext;
    item->pxNext->pxPrevious = item->pxPrevious;
    item->pxContainer = NULL;
    list->uxNumberOfItems--;
}

void *list_next_owner(List_t *list)
{
    list->pxIndex = list->pxIndex->pxNext;
    if (list->pxIndex == &list->xListEnd)
        list->pxIndex = list->pxIndex->pxNext;
    return list->pxIndex->pvOwner;
}
