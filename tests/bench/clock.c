/* Preloaded into the disposer alone, so that it is measured on a machine whose clock nobody has synchronised: it says that the clock is. */
#include <string.h>
#include <sys/timex.h>

int adjtimex(struct timex *answer) {
    memset(answer, 0, sizeof *answer);
    return TIME_OK;
}
