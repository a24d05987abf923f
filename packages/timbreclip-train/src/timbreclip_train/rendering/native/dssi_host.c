/* Plays a DSSI instrument without sound card or screen.
 *
 * usage: dssi_host PLUGIN.so LABEL SAMPLE_RATE BLOCK CPU_SECONDS < requests
 *        dssi_host PLUGIN.so LABEL ports      lists "INDEX DEFAULT NAME" of the control inputs
 */
#include "offline_host.h"

#include <dirent.h>
#include <dlfcn.h>
#include <dssi.h>
#include <ladspa.h>

#define MAX_PORTS 512
#define MAX_BLOCK 4096
#define SETTLE_ROUNDS 3
#define SETTLE_CHECKS 5

static struct {
    const DSSI_Descriptor *dssi;
    const LADSPA_Descriptor *ladspa;
    double rate;
    unsigned long block;
} plugin;

static LADSPA_Handle handle;
static float audio[MAX_PORTS][MAX_BLOCK]; /* by port; untouched ones cost no memory */
static float controls[MAX_PORTS];
static int outputs[CHANNELS];
static int output_count;

static float default_of(const LADSPA_PortRangeHint *hint)
{
    float low = hint->LowerBound, high = hint->UpperBound;
    int logarithmic = LADSPA_IS_HINT_LOGARITHMIC(hint->HintDescriptor) && low > 0 && high > 0;
    float share = 0.5f;
    switch (hint->HintDescriptor & LADSPA_HINT_DEFAULT_MASK) {
    case LADSPA_HINT_DEFAULT_MINIMUM: return low;
    case LADSPA_HINT_DEFAULT_MAXIMUM: return high;
    case LADSPA_HINT_DEFAULT_1: return 1;
    case LADSPA_HINT_DEFAULT_100: return 100;
    case LADSPA_HINT_DEFAULT_440: return 440;
    case LADSPA_HINT_DEFAULT_LOW: share = 0.25f; break;
    case LADSPA_HINT_DEFAULT_MIDDLE: share = 0.5f; break;
    case LADSPA_HINT_DEFAULT_HIGH: share = 0.75f; break;
    default: return 0;
    }
    return logarithmic ? expf(logf(low) * (1 - share) + logf(high) * share)
                       : low * (1 - share) + high * share;
}

static int is_control_input(unsigned long port)
{
    LADSPA_PortDescriptor kind = plugin.ladspa->PortDescriptors[port];
    return LADSPA_IS_PORT_CONTROL(kind) && LADSPA_IS_PORT_INPUT(kind);
}

static void connect_ports(void)
{
    for (unsigned long i = 0; i < plugin.ladspa->PortCount; i++) {
        LADSPA_PortDescriptor kind = plugin.ladspa->PortDescriptors[i];
        controls[i] = default_of(&plugin.ladspa->PortRangeHints[i]);
        plugin.ladspa->connect_port(handle, i, LADSPA_IS_PORT_AUDIO(kind) ? audio[i] : &controls[i]);
        if (LADSPA_IS_PORT_AUDIO(kind) && LADSPA_IS_PORT_OUTPUT(kind) && output_count < CHANNELS)
            outputs[output_count++] = (int)i;
    }
    if (!output_count)
        give_up("the plugin has no audio output");
    if (output_count == 1)
        outputs[1] = outputs[0];
}

static void run_block(snd_seq_event_t *events, unsigned long count, float *out, unsigned long frames)
{
    if (plugin.dssi->run_synth) {
        plugin.dssi->run_synth(handle, plugin.block, events, count);
    } else {
        /* This entry point adds to its buffers. */
        for (int c = 0; c < CHANNELS; c++)
            memset(audio[outputs[c]], 0, sizeof *audio);
        plugin.dssi->run_multiple_synths(1, &handle, plugin.block, &events, &count);
    }
    for (unsigned long i = 0; i < frames; i++)
        for (int c = 0; c < CHANNELS; c++)
            out[CHANNELS * i + c] = audio[outputs[c]][i];
}

static void run_frames(snd_seq_event_t *events, unsigned long count, float *out, long frames)
{
    while (frames > 0) {
        unsigned long part = (unsigned long)frames < plugin.block ? (unsigned long)frames : plugin.block;
        run_block(events, count, out, part);
        out += CHANNELS * part;
        frames -= (long)part;
        count = 0;
    }
}

static snd_seq_event_t note_event(int type, int pitch, int velocity)
{
    snd_seq_event_t event;
    memset(&event, 0, sizeof event);
    event.type = (snd_seq_event_type_t)type;
    event.data.note.note = (unsigned char)pitch;
    event.data.note.velocity = (unsigned char)velocity;
    return event;
}

static snd_seq_event_t controller_event(int number)
{
    snd_seq_event_t event;
    memset(&event, 0, sizeof event);
    event.type = SND_SEQ_EVENT_CONTROLLER;
    event.data.control.param = (unsigned)number;
    return event;
}

/* All sound off, then wait for the tail of reverberation, a second at most. */
static void hush(void)
{
    snd_seq_event_t off[2] = { controller_event(120), controller_event(123) };
    int blocks = (int)(plugin.rate / (double)plugin.block);
    for (int i = 0; i < blocks; i++) {
        float loudest = 0;
        run_block(off, i ? 0 : 2, NULL, 0);
        for (unsigned long j = 0; j < plugin.block; j++)
            for (int c = 0; c < CHANNELS; c++)
                loudest = fmaxf(loudest, fabsf(audio[outputs[c]][j]));
        if (i > 8 && loudest < 1e-5f)
            return;
    }
}

/* Whether any other thread of this process is at work. */
static int others_work(void)
{
    char path[280], line[512];
    int working = 0;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    while (tasks && (entry = readdir(tasks))) {
        FILE *stat;
        if (atoi(entry->d_name) == 0 || atoi(entry->d_name) == (int)getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        if ((stat = fopen(path, "r"))) {
            char *end = fgets(line, sizeof line, stat) ? strrchr(line, ')') : NULL;
            working |= end && end[2] != 'S';
            fclose(stat);
        }
    }
    if (tasks)
        closedir(tasks);
    return working;
}

/* Let the plugin take in a new sound: parameters glide there, and WhySynth computes some wavetables
 * in a thread of its own, without saying when it is done. No audio is run while that goes on, so
 * that the state of free-running oscillators does not depend on the speed of the machine. */
static void settle(void)
{
    int blocks = (int)(0.1 * plugin.rate / (double)plugin.block) + 1;
    for (int round = 0; round < SETTLE_ROUNDS; round++) {
        for (int quiet = 0; quiet < SETTLE_CHECKS; quiet = others_work() ? 0 : quiet + 1)
            usleep(1000);
        for (int i = 0; i < blocks; i++)
            run_block(NULL, 0, NULL, 0);
    }
}

static void apply(const Request *request)
{
    for (int i = 0; i < request->command_count; i++) {
        const Command *c = &request->commands[i];
        if (!c->key) {
            if (!plugin.dssi->select_program)
                give_up("the plugin has no programs");
            plugin.dssi->select_program(handle, (unsigned long)c->bank, (unsigned long)c->number);
        } else {
            char *complaint = plugin.dssi->configure
                                  ? plugin.dssi->configure(handle, c->key, c->value)
                                  : NULL;
            if (complaint)
                give_up("%s: %s", c->key, complaint);
        }
    }
    for (int i = 0; i < request->set_count; i++) {
        int port = request->sets[i].port;
        if (port >= 0 && (unsigned long)port < plugin.ladspa->PortCount && is_control_input(port))
            controls[port] = request->sets[i].value;
    }
}

static void play(const Request *request, float *out)
{
    handle = plugin.ladspa->instantiate(plugin.ladspa, (unsigned long)plugin.rate);
    if (!handle)
        give_up("the plugin does not start");
    connect_ports();
    if (plugin.ladspa->activate)
        plugin.ladspa->activate(handle);
    apply(request);
    settle();
    for (int i = 0; i < request->note_count; i++) {
        const Note *note = &request->notes[i];
        snd_seq_event_t on = note_event(SND_SEQ_EVENT_NOTEON, note->pitch, note->velocity);
        snd_seq_event_t off = note_event(SND_SEQ_EVENT_NOTEOFF, note->pitch, 0);
        if (i)
            hush();
        run_frames(&on, 1, out, note->hold_frames);
        out += CHANNELS * note->hold_frames;
        run_frames(&off, 1, out, note->release_frames);
        out += CHANNELS * note->release_frames;
    }
}

static int list_ports(void)
{
    for (unsigned long i = 0; i < plugin.ladspa->PortCount; i++)
        if (is_control_input(i))
            printf("%lu %g %s\n", i, default_of(&plugin.ladspa->PortRangeHints[i]),
                   plugin.ladspa->PortNames[i]);
    return 0;
}

int main(int count, char **arguments)
{
    if (count != 4 && count != 6)
        return fprintf(stderr, "usage: dssi_host PLUGIN.so LABEL RATE BLOCK CPU_SECONDS\n"), 2;
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library)
        return fprintf(stderr, "%s\n", dlerror()), 2;
    DSSI_Descriptor_Function find = (DSSI_Descriptor_Function)dlsym(library, "dssi_descriptor");
    for (unsigned long i = 0; find && (plugin.dssi = find(i)); i++)
        if (!strcmp(plugin.dssi->LADSPA_Plugin->Label, arguments[2]))
            break;
    if (!plugin.dssi)
        return fprintf(stderr, "%s has no plugin %s\n", arguments[1], arguments[2]), 2;
    plugin.ladspa = plugin.dssi->LADSPA_Plugin;
    if (plugin.ladspa->PortCount > MAX_PORTS)
        return fprintf(stderr, "%s has too many ports\n", arguments[2]), 2;
    if (count == 4)
        return list_ports();
    plugin.rate = atof(arguments[3]);
    plugin.block = strtoul(arguments[4], NULL, 10);
    if (plugin.block < 1 || plugin.block > MAX_BLOCK)
        return fprintf(stderr, "the block must be 1 to %d frames\n", MAX_BLOCK), 2;
    return serve(play, (unsigned)atoi(arguments[5]));
}
