/**
 * The C program that a RUN step fills a disk with: `mixed SEED DIRECTORY MEGABYTES` writes files of 16 MB, by turns text
 * that compresses like source code and bytes that do not. The same seed gives the same bytes; other seeds share nothing.
 */
export const MIXED_SOURCE: string = String.raw`
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MB = 16, MB = 1000000, WORDS = 1024, LONGEST = 16 };

static uint64_t state;
static unsigned char chunk[MB + LONGEST];
static char words[WORDS][LONGEST];

static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void make_words(void) {
  for (int word = 0; word < WORDS; word++) {
    int length = 3 + (int)(next() % 8);
    for (int at = 0; at < length; at++) words[word][at] = (char)('a' + next() % 26);
    words[word][length] = word % 9 == 0 ? '\n' : ' ';
  }
}

static void fill_text(void) {
  for (size_t at = 0; at < MB;) {
    uint64_t bits = next();
    for (int turn = 0; turn < 4 && at < MB; turn++, bits >>= 16) {
      /* Small indices far more often: as words are used. */
      unsigned index = (unsigned)(((bits & 255) * ((bits >> 8) & 255)) >> 6) % WORDS;
      size_t length = strlen(words[index]);
      memcpy(chunk + at, words[index], length);
      at += length;
    }
  }
}

static void fill_random(void) {
  for (size_t at = 0; at < MB; at += sizeof(uint64_t)) {
    uint64_t bits = next();
    memcpy(chunk + at, &bits, sizeof bits);
  }
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  state = 0x9e3779b97f4a7c15ull * (strtoull(arguments[1], NULL, 10) + 1);
  for (int turn = 0; turn < 16; turn++) next();
  make_words();
  mkdir(arguments[2], 0755);
  int out = -1;
  int megabytes = atoi(arguments[3]);
  for (int done = 0; done < megabytes; done++) {
    int file = done / FILE_MB;
    if (done % FILE_MB == 0) {
      char path[4096];
      snprintf(path, sizeof path, "%s/part-%04d", arguments[2], file);
      if (out >= 0) close(out);
      out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
      if (out < 0) return 1;
    }
    if (file % 2 == 0) fill_text();
    else fill_random();
    for (size_t at = 0; at < MB;) {
      ssize_t written = write(out, chunk + at, MB - at);
      if (written <= 0) return 1;
      at += (size_t)written;
    }
  }
  return 0;
}
`;
