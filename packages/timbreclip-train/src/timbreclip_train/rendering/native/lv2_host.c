/* Plays an LV2 instrument without sound card or screen.
 *
 * usage: lv2_host PLUGIN.so URI SAMPLE_RATE BLOCK CPU_SECONDS PORT... < requests
 * PORT: INDEX:left | INDEX:right | INDEX:midi | INDEX:atom | INDEX:control:DEFAULT
 *       (left and right may be one port for a mono plugin)
 */
#include "offline_host.h"

#include <dlfcn.h>
#include <lv2/atom/atom.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/core/lv2.h>
#include <lv2/midi/midi.h>
#include <lv2/options/options.h>
#include <lv2/parameters/parameters.h>
#include <lv2/state/state.h>
#include <lv2/urid/urid.h>
#include <lv2/worker/worker.h>

#define MAX_PORTS 512
#define EVENT_WORDS 1024

typedef enum { UNUSED, LEFT, RIGHT, MIDI, ATOM, CONTROL } Kind;

static struct {
    const LV2_Descriptor *descriptor;
    char bundle[4096];
    double rate;
    uint32_t block;
    Kind kinds[MAX_PORTS];
    float controls[MAX_PORTS];
} plugin;

/* The child's instance. */
static LV2_Handle handle;
static const LV2_Worker_Interface *worker;
static float *left, *right;
static uint64_t events[EVENT_WORDS], answers[EVENT_WORDS];

static char *uris[4096];
static uint32_t uri_count;

static LV2_URID map_uri(LV2_URID_Map_Handle unused, const char *uri)
{
    (void)unused;
    for (uint32_t i = 0; i < uri_count; i++)
        if (!strcmp(uris[i], uri))
            return i + 1;
    if (uri_count == sizeof uris / sizeof *uris)
        return 0;
    uris[uri_count] = strdup(uri);
    return ++uri_count;
}

static const char *unmap_uri(LV2_URID_Unmap_Handle unused, LV2_URID id)
{
    (void)unused;
    return id && id <= uri_count ? uris[id - 1] : NULL;
}

static LV2_Worker_Status respond(LV2_Worker_Respond_Handle unused, uint32_t size, const void *data)
{
    (void)unused;
    return worker && worker->work_response ? worker->work_response(handle, size, data)
                                           : LV2_WORKER_ERR_UNKNOWN;
}

/* Offline there is no deadline: the work is done at once. */
static LV2_Worker_Status schedule(LV2_Worker_Schedule_Handle unused, uint32_t size, const void *data)
{
    (void)unused;
    return worker ? worker->work(handle, respond, NULL, size, data) : LV2_WORKER_ERR_UNKNOWN;
}

/* Plugins of the DPF framework keep all they are in one string under a key that ends in #state. */
static const void *retrieve(LV2_State_Handle state, uint32_t key, size_t *size, uint32_t *type,
                            uint32_t *flags)
{
    const Request *request = state;
    const char *uri = unmap_uri(NULL, key);
    if (!uri || !strstr(uri, "state"))
        return NULL;
    *size = request->state_bytes + 1;
    *type = map_uri(NULL, LV2_ATOM__String);
    *flags = LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE;
    return request->state;
}

static LV2_Feature map_feature, unmap_feature, options_feature, worker_feature, bounded_feature;
static const LV2_Feature *features[] = { &map_feature, &unmap_feature, &options_feature,
                                         &worker_feature, &bounded_feature, NULL };

static void make_features(void)
{
    static LV2_URID_Map map = { NULL, map_uri };
    static LV2_URID_Unmap unmap = { NULL, unmap_uri };
    static LV2_Worker_Schedule worker_schedule = { NULL, schedule };
    static int block;
    static float rate;
    block = (int)plugin.block;
    rate = (float)plugin.rate;
    LV2_URID whole = map_uri(NULL, LV2_ATOM__Int), real = map_uri(NULL, LV2_ATOM__Float);
    static LV2_Options_Option options[5];
    const char *blocks[] = { LV2_BUF_SIZE__nominalBlockLength, LV2_BUF_SIZE__maxBlockLength,
                             LV2_BUF_SIZE__minBlockLength };
    for (int i = 0; i < 3; i++)
        options[i] = (LV2_Options_Option){ LV2_OPTIONS_INSTANCE, 0, map_uri(NULL, blocks[i]),
                                           sizeof block, whole, &block };
    options[3] = (LV2_Options_Option){ LV2_OPTIONS_INSTANCE, 0,
                                       map_uri(NULL, LV2_PARAMETERS__sampleRate), sizeof rate, real,
                                       &rate };
    map_feature = (LV2_Feature){ LV2_URID__map, &map };
    unmap_feature = (LV2_Feature){ LV2_URID__unmap, &unmap };
    options_feature = (LV2_Feature){ LV2_OPTIONS__options, options };
    worker_feature = (LV2_Feature){ LV2_WORKER__schedule, &worker_schedule };
    bounded_feature = (LV2_Feature){ LV2_BUF_SIZE__boundedBlockLength, NULL };
}

static void connect_ports(void)
{
    for (int i = 0; i < MAX_PORTS; i++) {
        void *target[] = { NULL, left, right, events, answers, &plugin.controls[i] };
        if (plugin.kinds[i] != UNUSED)
            plugin.descriptor->connect_port(handle, i, target[plugin.kinds[i]]);
    }
}

/* Run one block that starts with the given three-byte MIDI messages; copy ``frames`` of it out. */
static void run_block(const uint8_t (*messages)[3], int count, float *out, uint32_t frames)
{
    LV2_Atom_Sequence *in = (LV2_Atom_Sequence *)events, *back = (LV2_Atom_Sequence *)answers;
    in->atom.type = map_uri(NULL, LV2_ATOM__Sequence);
    in->atom.size = sizeof in->body;
    in->body.unit = in->body.pad = 0;
    for (int i = 0; i < count; i++) {
        LV2_Atom_Event *event = (LV2_Atom_Event *)((uint8_t *)events + sizeof(LV2_Atom) + in->atom.size);
        event->time.frames = 0;
        event->body.type = map_uri(NULL, LV2_MIDI__MidiEvent);
        event->body.size = 3;
        memcpy(event + 1, messages[i], 3);
        in->atom.size += sizeof *event + 8; /* padded to 64 bits */
    }
    back->atom.type = 0;
    back->atom.size = sizeof answers - sizeof(LV2_Atom);
    plugin.descriptor->run(handle, plugin.block);
    if (worker && worker->end_run)
        worker->end_run(handle);
    for (uint32_t i = 0; i < frames; i++) {
        out[CHANNELS * i] = left[i];
        out[CHANNELS * i + 1] = right[i];
    }
}

static void run_frames(const uint8_t (*messages)[3], int count, float *out, long frames)
{
    while (frames > 0) {
        uint32_t part = frames < plugin.block ? (uint32_t)frames : plugin.block;
        run_block(messages, count, out, part);
        out += CHANNELS * part;
        frames -= part;
        count = 0;
    }
}

/* All sound off, then wait for the tail of reverberation, a second at most. */
static void hush(void)
{
    const uint8_t messages[2][3] = { { 0xB0, 120, 0 }, { 0xB0, 123, 0 } };
    int blocks = (int)(plugin.rate / plugin.block);
    for (int i = 0; i < blocks; i++) {
        float loudest = 0;
        run_block(messages, i ? 0 : 2, NULL, 0);
        for (uint32_t j = 0; j < plugin.block; j++)
            loudest = fmaxf(loudest, fmaxf(fabsf(left[j]), fabsf(right[j])));
        if (i > 8 && loudest < 1e-5f)
            return;
    }
}

/* ZynAddSubFX computes PADsynth samples in as many threads as the C++ library counts processors,
 * and all draw from one random generator: with more than one, no two runs sound the same. This
 * definition, exported by the host (-rdynamic), comes before the library's. */
unsigned _ZNSt6thread20hardware_concurrencyEv(void)
{
    return 1;
}

static void set_up(const Request *request)
{
    const LV2_Descriptor *d = plugin.descriptor;
    left = calloc(plugin.block, sizeof *left);
    right = calloc(plugin.block, sizeof *right);
    make_features();
    handle = d->instantiate(d, plugin.rate, plugin.bundle, features);
    if (!handle)
        give_up("the plugin does not start");
    worker = d->extension_data ? d->extension_data(LV2_WORKER__interface) : NULL;
    connect_ports();
    for (int i = 0; i < request->set_count; i++)
        if (request->sets[i].port >= 0 && request->sets[i].port < MAX_PORTS)
            plugin.controls[request->sets[i].port] = request->sets[i].value;
    if (d->activate)
        d->activate(handle);
    if (request->state) {
        const LV2_State_Interface *state =
            d->extension_data ? d->extension_data(LV2_STATE__interface) : NULL;
        if (!state || state->restore(handle, retrieve, (void *)request, 0, features))
            give_up("the plugin does not take the state");
    }
    run_block(NULL, 0, NULL, 0);
}

static void play(const Request *request, float *out)
{
    set_up(request);
    for (int i = 0; i < request->note_count; i++) {
        const Note *note = &request->notes[i];
        const uint8_t on[1][3] = { { 0x90, (uint8_t)note->pitch, (uint8_t)note->velocity } };
        const uint8_t off[1][3] = { { 0x80, (uint8_t)note->pitch, 0 } };
        if (i)
            hush();
        run_frames(on, 1, out, note->hold_frames);
        out += CHANNELS * note->hold_frames;
        run_frames(off, 1, out, note->release_frames);
        out += CHANNELS * note->release_frames;
    }
}

static int read_port(const char *text)
{
    static const char *names[] = { "", "left", "right", "midi", "atom", "control" };
    int index, at = 0;
    char name[16];
    if (sscanf(text, "%d:%15[a-z]%n", &index, name, &at) != 2 || index < 0 || index >= MAX_PORTS)
        return 0;
    for (int kind = LEFT; kind <= CONTROL; kind++)
        if (!strcmp(name, names[kind]))
            plugin.kinds[index] = kind;
    plugin.controls[index] = text[at] == ':' ? strtof(text + at + 1, NULL) : 0;
    return plugin.kinds[index] != UNUSED;
}

int main(int count, char **arguments)
{
    if (count < 7)
        return fprintf(stderr, "usage: lv2_host PLUGIN.so URI RATE BLOCK CPU_SECONDS PORT...\n"), 2;
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library)
        return fprintf(stderr, "%s\n", dlerror()), 2;
    LV2_Descriptor_Function find = (LV2_Descriptor_Function)dlsym(library, "lv2_descriptor");
    for (uint32_t i = 0; find && (plugin.descriptor = find(i)); i++)
        if (!strcmp(plugin.descriptor->URI, arguments[2]))
            break;
    if (!plugin.descriptor)
        return fprintf(stderr, "%s has no plugin %s\n", arguments[1], arguments[2]), 2;
    snprintf(plugin.bundle, sizeof plugin.bundle, "%s", arguments[1]);
    char *slash = strrchr(plugin.bundle, '/');
    if (slash)
        slash[1] = 0;
    plugin.rate = atof(arguments[3]);
    plugin.block = (uint32_t)atoi(arguments[4]);
    for (int i = 6; i < count; i++)
        if (!read_port(arguments[i]))
            return fprintf(stderr, "cannot read the port %s\n", arguments[i]), 2;
    return serve(play, (unsigned)atoi(arguments[5]));
}
