/* What the LV2 and the DSSI host share: requests on stdin, answers on stdout, one child per preset.
 *
 * A request is a list of lines that ends with "go":
 *     set INDEX VALUE               control port
 *     state BYTES                   followed by that many bytes and a newline (LV2)
 *     configure KEY VALUE           (DSSI; the value runs to the end of the line)
 *     program BANK NUMBER           (DSSI)
 *     note PITCH VELOCITY HOLD_FRAMES RELEASE_FRAMES
 *     go
 * The answer is "ok FRAMES\n" and FRAMES x 2 little-endian floats, interleaved, all notes back to
 * back; or "failed REASON\n".
 *
 * Each request runs in a fork of this process with an instance of its own. So a crash costs one
 * preset, and a preset sounds the same whatever was played before it: random generators, free-
 * running oscillators and reverberation start anew.
 */
#ifndef TIMBRECLIP_OFFLINE_HOST_H
#define TIMBRECLIP_OFFLINE_HOST_H

#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_NOTES 256
#define MAX_SETS 1024
#define MAX_COMMANDS 64
#define LINE_BYTES 65536
#define CHANNELS 2

typedef struct { int pitch, velocity; long hold_frames, release_frames; } Note;
typedef struct { int port; float value; } Set;
/* A DSSI command: key == NULL selects a program. */
typedef struct { char *key, *value; int bank, number; } Command;

typedef struct {
    Note notes[MAX_NOTES];
    int note_count;
    Set sets[MAX_SETS];
    int set_count;
    Command commands[MAX_COMMANDS];
    int command_count;
    char *state;
    size_t state_bytes;
    const char *error;
} Request;

/* What a child tells its parent beside its exit status. */
typedef struct { char reason[200]; } Report;

static Report *report;

static void give_up(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(report->reason, sizeof report->reason, format, values);
    va_end(values);
    _exit(3);
}

static void clear_request(Request *r)
{
    for (int i = 0; i < r->command_count; i++) {
        free(r->commands[i].key);
        free(r->commands[i].value);
    }
    free(r->state);
    memset(r, 0, sizeof *r);
}

static void read_state(Request *r, size_t bytes)
{
    free(r->state);
    r->state = malloc(bytes + 1);
    r->state_bytes = bytes;
    if (!r->state || fread(r->state, 1, bytes, stdin) != bytes)
        exit(2);
    r->state[bytes] = 0;
    getchar(); /* the newline after the bytes */
}

static void read_command(Request *r, char *line)
{
    if (r->command_count == MAX_COMMANDS) {
        r->error = "too many commands";
        return;
    }
    Command *c = &r->commands[r->command_count];
    if (!strncmp(line, "program ", 8)) {
        if (sscanf(line + 8, "%d %d", &c->bank, &c->number) != 2)
            r->error = "a program needs bank and number";
    } else {
        char *value = strchr(line + 10, ' ');
        if (!value) {
            r->error = "configure needs key and value";
            return;
        }
        *value = 0;
        c->key = strdup(line + 10);
        c->value = strdup(value + 1);
    }
    r->command_count++;
}

/* Read one request; 0 at the end of the input. */
static int read_request(Request *r)
{
    static char line[LINE_BYTES];
    clear_request(r);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        Note *n = &r->notes[r->note_count];
        Set *s = &r->sets[r->set_count];
        if (!strcmp(line, "go"))
            return 1;
        if (!strncmp(line, "state ", 6))
            read_state(r, strtoul(line + 6, NULL, 10));
        else if (!strncmp(line, "program ", 8) || !strncmp(line, "configure ", 10))
            read_command(r, line);
        else if (r->note_count < MAX_NOTES && sscanf(line, "note %d %d %ld %ld", &n->pitch,
                 &n->velocity, &n->hold_frames, &n->release_frames) == 4)
            r->note_count++;
        else if (r->set_count < MAX_SETS && sscanf(line, "set %d %f", &s->port, &s->value) == 2)
            r->set_count++;
        else
            r->error = "a line of the request cannot be read";
    }
    return 0;
}

static long total_frames(const Request *r)
{
    long frames = 0;
    for (int i = 0; i < r->note_count; i++)
        frames += r->notes[i].hold_frames + r->notes[i].release_frames;
    return frames;
}

static void answer(FILE *out, int status, const float *audio, long frames)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        fprintf(out, "ok %ld\n", frames);
        fwrite(audio, sizeof(float) * CHANNELS, frames, out);
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
        fprintf(out, "failed it took too much processor time\n");
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        fprintf(out, "failed it hung\n");
    } else if (WIFSIGNALED(status)) {
        fprintf(out, "failed the plugin crashed: %s\n", strsignal(WTERMSIG(status)));
    } else {
        fprintf(out, "failed %s\n", report->reason[0] ? report->reason : "the plugin ended it");
    }
    fflush(out);
}

/* Answer requests until the input ends. ``play`` fills frames x 2 floats in a child. */
static int serve(void (*play)(const Request *, float *), unsigned cpu_seconds)
{
    static Request request;
    /* Plugins write to stdout; the answers go to a copy of it. */
    FILE *out = fdopen(dup(1), "wb");
    dup2(2, 1);
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    while (read_request(&request)) {
        long frames = total_frames(&request);
        size_t bytes = sizeof(float) * CHANNELS * (frames > 0 ? frames : 1);
        float *audio = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int status = 0;
        if (audio == MAP_FAILED)
            return 2;
        report->reason[0] = 0;
        fflush(NULL);
        pid_t child = fork();
        if (child < 0)
            return 2;
        if (child == 0) {
            struct rlimit limit = { cpu_seconds, cpu_seconds + 1 };
            setrlimit(RLIMIT_CPU, &limit);
            alarm(20 * cpu_seconds);
            if (request.error)
                give_up("%s", request.error);
            play(&request, audio);
            /* No destructors: some plugins crash in theirs. */
            _exit(0);
        }
        waitpid(child, &status, 0);
        answer(out, status, audio, frames);
        munmap(audio, bytes);
    }
    return 0;
}
#endif
