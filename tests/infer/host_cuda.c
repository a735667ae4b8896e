/* A CUDA driver without a GPU: device memory is host memory, and copies back to the host happen only when an event is
   waited for, so that a program that reads too early reads zeros. Calls without a current context fail as in a real
   driver. Just enough for edge.infer.probe and edge.infer.graph and, through pycuda, for edge.infer.cuda. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, CAPTURE_INVALIDATED = 901 };
enum { SM_COUNT = 16, INTEGRATED = 18, UNIFIED_ADDRESSING = 41, SM_MAJOR = 75, SM_MINOR = 76 };

static __thread int depth; /* contexts pushed on this thread */
static char context, stream;
struct copy { void *to; const void *from; size_t bytes; }; /* never freed: a graph may want it again */
static struct copy pending[64];
static int queued;
static long allocated;

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

int cuInit(unsigned flags) { return setting("HOST_CUDA_INIT", OK); }
int cuDriverGetVersion(int *version) { *version = 12060; return OK; }
int cuDeviceGetCount(int *count) { *count = setting("HOST_CUDA_DEVICES", 1); return OK; }
int cuDeviceGet(int *device, int index) { *device = index; return OK; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "host memory", size); return OK; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 1 << 30; return OK; }
int cuDeviceGetAttribute(int *value, int which, int device) {
    int sm = setting("HOST_CUDA_SM", 87);
    *value = which == SM_COUNT ? 8 : which == INTEGRATED ? setting("HOST_CUDA_INTEGRATED", 1)
           : which == SM_MAJOR ? sm / 10 : which == SM_MINOR ? sm % 10 : which == UNIFIED_ADDRESSING ? 1 : 0;
    return OK;
}
int cuDevicePrimaryCtxRetain(void **made, int device) { *made = &context; return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) { return OK; }
int cuCtxPushCurrent_v2(void *pushed) { depth++; return OK; }
int cuCtxPopCurrent_v2(void **popped) { *popped = &context; return depth-- > 0 ? OK : INVALID_CONTEXT; }
int cuCtxGetDevice(int *device) { *device = 0; return depth > 0 ? OK : INVALID_CONTEXT; }
int cuGetErrorString(int error, const char **text) { *text = "an error of the host memory driver"; return OK; }

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    if (depth <= 0) return INVALID_CONTEXT;
    if (bytes > (size_t)setting("HOST_CUDA_LARGEST", 1 << 30)) return OUT_OF_MEMORY;
    *address = (uint64_t)(uintptr_t)calloc(1, bytes);
    allocated++;
    return OK;
}
int cuMemFree_v2(uint64_t address) { free((void *)(uintptr_t)address); allocated--; return depth > 0 ? OK : INVALID_CONTEXT; }
int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
    if (depth <= 0) return INVALID_CONTEXT;
    *memory = calloc(1, bytes);
    allocated++;
    return OK;
}
int cuMemFreeHost(void *memory) { free(memory); allocated--; return OK; }
int cuMemHostGetDevicePointer_v2(uint64_t *address, void *memory, unsigned flags) {
    *address = (uint64_t)(uintptr_t)memory;
    return OK;
}
/* Graphs: while a stream records, what it is given is noted instead of done, and who waits breaks the recording. */
typedef void (*work)(void *);
struct graph { int count; struct { work run; void *argument; } steps[64]; };
static struct graph *recording;
static int broken;
static long graphs;
static float clock_ms; /* every piece of work takes one millisecond */
static void tick(work run, void *argument) { clock_ms += 1; run(argument); }

int host_cuda_queue(work run, void *argument) { /* tests queue the kernels of the simulated TensorRT */
    if (!recording) { tick(run, argument); return OK; }
    if (recording->count == 64) return INVALID_VALUE;
    recording->steps[recording->count].run = run;
    recording->steps[recording->count++].argument = argument;
    return OK;
}
int cuStreamBeginCapture_v2(void *s, int mode) {
    recording = calloc(1, sizeof *recording);
    broken = 0;
    return setting("HOST_CUDA_CAPTURE", OK);
}
int cuStreamEndCapture(void *s, void **graph) {
    *graph = recording;
    recording = NULL;
    return broken ? CAPTURE_INVALIDATED : OK;
}
int cuGraphInstantiateWithFlags(void **made, void *graph, unsigned long long flags) {
    graphs++;
    *made = memcpy(malloc(sizeof(struct graph)), graph, sizeof(struct graph));
    return OK;
}
int cuGraphLaunch(void *made, void *s) {
    struct graph *graph = made;
    if (setting("HOST_CUDA_LAUNCH", OK)) return setting("HOST_CUDA_LAUNCH", OK);
    for (int i = 0; i < graph->count; i++) tick(graph->steps[i].run, graph->steps[i].argument);
    return OK;
}
int cuGraphDestroy(void *graph) { free(graph); return OK; }
int cuGraphExecDestroy(void *made) { free(made); graphs--; return OK; }
long host_cuda_graphs(void) { return graphs; }

int cuCtxSynchronize(void) { broken = 1; return depth > 0 ? OK : INVALID_CONTEXT; }
long host_cuda_allocated(void) { return allocated; } /* read by tests */

int cuStreamCreate(void **made, unsigned flags) { *made = &stream; return depth > 0 ? OK : INVALID_CONTEXT; }
int cuStreamDestroy_v2(void *s) { return OK; }
struct event { float at_ms; int recorded; };
static long events;
int cuEventCreate(void **made, unsigned flags) {
    if (setting("HOST_CUDA_EVENT", OK)) return setting("HOST_CUDA_EVENT", OK);
    if (depth <= 0) return INVALID_CONTEXT;
    *made = calloc(1, sizeof(struct event));
    events++;
    return OK;
}
int cuEventDestroy_v2(void *e) { free(e); events--; return OK; }
static void stamp(void *e) { *(struct event *)e = (struct event){--clock_ms, 1}; } /* takes no time */
int cuEventRecord(void *e, void *s) { /* in a recording it is no work, only an order */
    if (!recording) { clock_ms += 1; stamp(e); }
    return depth > 0 ? OK : INVALID_CONTEXT;
}
int cuEventRecordWithFlags(void *e, void *s, unsigned flags) {
    if (setting("HOST_CUDA_MARK", OK)) return setting("HOST_CUDA_MARK", OK);
    return flags == 1 && recording ? host_cuda_queue(stamp, e) : INVALID_VALUE;
}
int cuEventElapsedTime(float *ms, void *before, void *after) {
    struct event *b = before, *a = after;
    *ms = a->at_ms - b->at_ms;
    return a->recorded && b->recorded ? OK : INVALID_VALUE;
}
long host_cuda_events(void) { return events; }
static struct copy *copy(void *to, const void *from, size_t bytes) {
    struct copy *made = malloc(sizeof *made);
    *made = (struct copy){to, from, bytes};
    return made;
}
static void upload(void *argument) { struct copy *c = argument; memcpy(c->to, c->from, c->bytes); }
static void download(void *argument) { pending[queued++ % 64] = *(struct copy *)argument; }
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *s) {
    return depth > 0 ? host_cuda_queue(upload, copy((void *)(uintptr_t)to, from, bytes)) : INVALID_CONTEXT;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *s) {
    return depth > 0 ? host_cuda_queue(download, copy(to, (void *)(uintptr_t)from, bytes)) : INVALID_CONTEXT;
}
int cuEventSynchronize(void *e) {
    broken = 1;
    for (int i = 0; i < queued; i++) memcpy(pending[i].to, pending[i].from, pending[i].bytes);
    queued = 0;
    return depth > 0 ? OK : INVALID_CONTEXT;
}
