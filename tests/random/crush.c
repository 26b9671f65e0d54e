/* SmallCrush of TestU01 on the 32-bit words of standard input (native byte order).
 *
 * crush NAME: prints the p-value of each statistic, and a last line with the least and the greatest of them. Exits 1 if
 * one is outside [1e-6, 1 - 1e-6]: with 15 statistics, 3 in 100,000 runs on truly random words; 2 if the words end or the
 * battery has left a statistic out. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <testu01/bbattery.h>
#include <testu01/swrite.h>
#include <testu01/unif01.h>

static const double BOUND = 1e-6;
enum { STATISTICS = 15, BLOCK = 1 << 14 };

static unsigned int next_word(void)
{
    static unsigned int words[BLOCK];
    static size_t read, drawn;
    if (drawn == read) {
        read = fread(words, sizeof words[0], BLOCK, stdin);
        drawn = 0;
        if (read == 0) {
            fputs("crush: the words have ended\n", stderr);
            exit(2);
        }
    }
    return words[drawn++];
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: crush NAME <WORDS\n", stderr);
        return 2;
    }
    /* The battery reports on stdout, at length. */
    FILE *out = fdopen(dup(STDOUT_FILENO), "w");
    if (out == NULL || freopen("/dev/null", "w", stdout) == NULL) {
        perror("crush");
        return 2;
    }
    unif01_Gen *gen = unif01_CreateExternGenBits(argv[1], next_word);
    swrite_Basic = FALSE;
    bbattery_SmallCrush(gen);
    unif01_DeleteExternGenBits(gen);

    double least = 1, greatest = 0;
    int failed = 0;
    for (int i = 0; i < bbattery_NTests; i++) {
        double p = bbattery_pVal[i];
        int passed = p >= BOUND && p <= 1 - BOUND;
        fprintf(out, "%-28s p = %.7f%s\n", bbattery_TestNames[i], p, passed ? "" : "  FAILED");
        failed += !passed;
        if (p < least) least = p;
        if (p > greatest) greatest = p;
    }
    if (bbattery_NTests != STATISTICS) {
        fprintf(stderr, "crush: %d statistics, not %d\n", bbattery_NTests, STATISTICS);
        return 2;
    }
    fprintf(out, "crush: %s %s: %d p-values, %.2e to %.6f\n", failed ? "FAIL" : "PASS", argv[1], bbattery_NTests, least,
            greatest);
    return fclose(out) != 0 ? 2 : failed > 0;
}
