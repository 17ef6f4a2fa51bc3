// SPDX-License-Identifier: Apache-2.0
// What a good plain C program does: Llama decoding with ordinary loops, one thread, f32, no library. Decoding of the
// stories260K model by molmo is measured against it:
//
//   gcc -O3 -ffast-math -march=native llama_baseline.c -lm
//   ./a.out path/to/model.safetensors [tokens] [repeats] [--print]
// It decodes greedily from the token <s> and prints tokens per second (the median of the repeats). The sizes are
// constants of the program, so the compiler may unroll and vectorise for them: the strongest form of such a program.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { D = 64, FF = 172, LAYERS = 5, HEADS = 8, KV_HEADS = 4, HEAD = D / HEADS, KV = KV_HEADS * HEAD, VOCAB = 512, CONTEXT = 512 };

typedef struct {
  const float *input_norm, *q, *k, *v, *o, *post_norm, *gate, *up, *down;
} Layer;

static Layer layers[LAYERS];
static const float *embedding, *final_norm;
static float key_cache[LAYERS][CONTEXT][KV], value_cache[LAYERS][CONTEXT][KV];
static float cosines[CONTEXT][HEAD / 2], sines[CONTEXT][HEAD / 2];

static void stop(const char *what, const char *name) {
  fprintf(stderr, "%s %s\n", what, name);
  exit(1);
}

// The data of a tensor of `count` floats: finds "name":{...,"data_offsets":[a,b]} in the JSON header.
static const float *tensor(const char *header, const char *data, size_t data_bytes, const char *name, size_t count) {
  char quoted[128];
  snprintf(quoted, sizeof quoted, "\"%s\":{", name);
  const char *at = strstr(header, quoted);
  const char *end = at ? strchr(at, '}') : NULL;
  const char *offsets = at ? strstr(at, "\"data_offsets\":[") : NULL;
  const char *type = at ? strstr(at, "\"F32\"") : NULL;
  size_t a, b;
  if (!end || !offsets || !type || offsets > end || type > end) stop("no f32 tensor", name);
  if (sscanf(offsets, "\"data_offsets\":[%zu,%zu]", &a, &b) != 2 || b > data_bytes || a > b || b - a != 4 * count) stop("wrong size of", name);
  return (const float *)(data + a);
}

static void load(const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) stop("cannot open", path);
  fseek(f, 0, SEEK_END);
  const size_t size = (size_t)ftell(f);
  rewind(f);
  char *file = aligned_alloc(64, (size / 64 + 1) * 64);
  unsigned long long length = 0;
  if (!file || size < 8 || fread(file, 1, size, f) != size) stop("cannot read", path);
  fclose(f);
  memcpy(&length, file, 8);
  if (length > size - 8) stop("not a safetensors file:", path);
  char *header = malloc(length + 1);
  memcpy(header, file + 8, length);
  header[length] = 0;
  const char *data = file + 8 + length;
  const size_t bytes = size - 8 - length;
  embedding = tensor(header, data, bytes, "model.embed_tokens.weight", VOCAB * D);
  final_norm = tensor(header, data, bytes, "model.norm.weight", D);
  for (int i = 0; i < LAYERS; ++i) {
    char name[96];
#define GET(field, suffix, count)                                       \
  (snprintf(name, sizeof name, "model.layers.%d.%s.weight", i, suffix), \
   layers[i].field = tensor(header, data, bytes, name, count))
    GET(input_norm, "input_layernorm", D);
    GET(q, "self_attn.q_proj", D * D);
    GET(k, "self_attn.k_proj", KV * D);
    GET(v, "self_attn.v_proj", KV * D);
    GET(o, "self_attn.o_proj", D * D);
    GET(post_norm, "post_attention_layernorm", D);
    GET(gate, "mlp.gate_proj", FF * D);
    GET(up, "mlp.up_proj", FF * D);
    GET(down, "mlp.down_proj", FF * D);
  }
  free(header);
  for (int p = 0; p < CONTEXT; ++p)
    for (int i = 0; i < HEAD / 2; ++i) {
      const float angle = (float)p * powf(10000.0f, -2.0f * (float)i / HEAD);
      cosines[p][i] = cosf(angle);
      sines[p][i] = sinf(angle);
    }
}

static inline void matvec(float *restrict y, const float *restrict w, const float *restrict x, int rows, int cols) {
  for (int i = 0; i < rows; ++i) {
    float sum = 0;
    for (int j = 0; j < cols; ++j) sum += w[i * cols + j] * x[j];
    y[i] = sum;
  }
}

static inline void rms_norm(float *restrict y, const float *restrict x, const float *restrict w) {
  float squares = 0;
  for (int i = 0; i < D; ++i) squares += x[i] * x[i];
  const float scale = 1.0f / sqrtf(squares / D + 1e-5f);
  for (int i = 0; i < D; ++i) y[i] = x[i] * scale * w[i];
}

static inline void rotate(float *x, int heads, int position) {
  for (int h = 0; h < heads; ++h, x += HEAD)
    for (int i = 0; i < HEAD / 2; ++i) {
      const float a = x[i], b = x[i + HEAD / 2], c = cosines[position][i], s = sines[position][i];
      x[i] = a * c - b * s;
      x[i + HEAD / 2] = b * c + a * s;
    }
}

static int forward(int token, int position) {
  static float x[D], n[D], q[D], attended[D], out[D], gate[FF], up[FF], scores[CONTEXT], logits[VOCAB];
  memcpy(x, embedding + token * D, sizeof x);
  for (int l = 0; l < LAYERS; ++l) {
    const Layer *w = &layers[l];
    float *k = key_cache[l][position], *v = value_cache[l][position];
    rms_norm(n, x, w->input_norm);
    matvec(q, w->q, n, D, D);
    matvec(k, w->k, n, KV, D);
    matvec(v, w->v, n, KV, D);
    rotate(q, HEADS, position);
    rotate(k, KV_HEADS, position);
    for (int h = 0; h < HEADS; ++h) {
      const int shared = h / (HEADS / KV_HEADS) * HEAD;
      float largest = -INFINITY, total = 0;
      for (int t = 0; t <= position; ++t) {
        float s = 0;
        for (int i = 0; i < HEAD; ++i) s += q[h * HEAD + i] * key_cache[l][t][shared + i];
        scores[t] = s / sqrtf(HEAD);
        if (scores[t] > largest) largest = scores[t];
      }
      for (int t = 0; t <= position; ++t) total += scores[t] = expf(scores[t] - largest);
      for (int i = 0; i < HEAD; ++i) attended[h * HEAD + i] = 0;
      for (int t = 0; t <= position; ++t)
        for (int i = 0; i < HEAD; ++i) attended[h * HEAD + i] += scores[t] / total * value_cache[l][t][shared + i];
    }
    matvec(out, w->o, attended, D, D);
    for (int i = 0; i < D; ++i) x[i] += out[i];
    rms_norm(n, x, w->post_norm);
    matvec(gate, w->gate, n, FF, D);
    matvec(up, w->up, n, FF, D);
    for (int i = 0; i < FF; ++i) gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
    matvec(out, w->down, gate, D, FF);
    for (int i = 0; i < D; ++i) x[i] += out[i];
  }
  rms_norm(n, x, final_norm);
  matvec(logits, embedding, n, VOCAB, D);
  int best = 0;
  for (int i = 1; i < VOCAB; ++i)
    if (logits[i] > logits[best]) best = i;
  return best;
}

static double now(void) {
  struct timespec t;
  timespec_get(&t, TIME_UTC);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int ascending(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

int main(int argc, char **argv) {
  const int print = argc > 1 && strcmp(argv[argc - 1], "--print") == 0;
  argc -= print;
  const int tokens = argc > 2 ? atoi(argv[2]) : 100, repeats = argc > 3 ? atoi(argv[3]) : 21;
  if (argc < 2 || tokens < 1 || tokens > CONTEXT || repeats < 1 || repeats > 1000) stop("usage:", "llama_baseline model.safetensors [tokens] [repeats] [--print]");
  load(argv[1]);
  static double rates[1000];
  for (int r = 0; r < repeats; ++r) {
    const double start = now();
    int token = 1;
    for (int p = 0; p < tokens; ++p) {
      token = forward(token, p);
      if (print && r == 0) printf("%d ", token);
    }
    rates[r] = tokens / (now() - start);
  }
  if (print) printf("\n");
  qsort(rates, (size_t)repeats, sizeof *rates, ascending);
  printf("%.0f tokens/s (median of %d runs of %d tokens; slowest %.0f, fastest %.0f)\n", rates[repeats / 2], repeats, tokens, rates[0], rates[repeats - 1]);
  return 0;
}
