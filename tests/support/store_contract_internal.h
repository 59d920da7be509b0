#ifndef SLUICE_TESTS_SUPPORT_STORE_CONTRACT_INTERNAL_H
#define SLUICE_TESTS_SUPPORT_STORE_CONTRACT_INTERNAL_H
/* What the store_contract*.c files share. Nobody else includes this. */
#include "tests/support/store_contract.h"

/* Of the case that runs. */
struct store *contract_store(void);
struct loop *contract_loop(void);
void contract_reopen(void);              /* the gateway ends, or dies, and another one comes */
void contract_fail_commit(bool is_done); /* the next one */
void contract_heal(void);

/* store_contract_bus.c: its cases. */
void contract_add_bus(TCase *t);

/* store_contract_due.c: its cases. */
void contract_add_due(TCase *t);
/* store_contract_define.c: its cases. */
void contract_add_define(TCase *t);
#endif
