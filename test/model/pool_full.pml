/*
 * pool_full.pml - pool.pml with two workers at most and four calls. Call 0 is blocked
 * until the last one has ended. So the watcher rests, while calls wait, because it has
 * nobody to call; it must come back when a worker is idle again and the other is blocked.
 *
 * -DBROKEN_FULL    the watcher rests for want of a worker without looking once more
 * Must be rejected.
 */
#define FULL
#include "pool.pml"
