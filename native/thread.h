#ifndef CTHELPER_THREAD_H
#define CTHELPER_THREAD_H

#include <pthread.h>

/* Starts `run(data)` on a small stack, all signals blocked: they are Node's. 0 or an errno. */
int thread_start(pthread_t *thread, void *(*run)(void *), void *data);

#endif
