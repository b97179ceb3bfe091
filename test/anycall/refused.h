#ifndef TEST_ANYCALL_REFUSED_H
#define TEST_ANYCALL_REFUSED_H
/*
 * refused.h - calls that libhascall does not execute for others. Layer: test.
 *
 * Way down: refused_changes_nothing -> check_refused -> process_state.
 */
#include <stdint.h>

/* Each with arguments that would do something; flags: of hascall_wait(). */
void refused_changes_nothing(uint32_t flags);

/* Every number that is no call, and that no refused call is forgotten above. */
void refused_all_numbers(void);

#endif /* TEST_ANYCALL_REFUSED_H */
