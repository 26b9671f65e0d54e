// W1 in C++ on MKL's vector generators: `mkl_w1 d trials repeats seed`, with
// decay, noise scale and curvature of each dimension and then the barrier on
// standard input. Prints for each repeat the sum of the exit steps and the
// seconds it took. Lanes of particles side by side; a lane whose trial exits
// takes the next one. The generator and method are the fastest on an AMD EPYC
// of all of MKL's (see README.md).
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include <mkl_vsl.h>

#ifndef BRNG
#define BRNG VSL_BRNG_ARS5
#endif
#ifndef METHOD
#define METHOD VSL_RNG_METHOD_GAUSSIAN_ICDF
#endif
#ifndef LANES
#define LANES 64
#endif
#ifndef NORMALS  // drawn by one call
#define NORMALS 4096
#endif

struct Quadratic {
  std::vector<float> decay, scale, curvature;
  float barrier;
};

static long run(const Quadratic& q, long trials, unsigned seed) {
  static_assert(NORMALS % LANES == 0);
  constexpr int rows = NORMALS / LANES;
  alignas(64) static float z[rows][LANES];
  alignas(64) float twice[LANES], limit[LANES];  // twice: 2 * loss
  const size_t d = q.decay.size();
  float(*theta)[LANES] =
      static_cast<float(*)[LANES]>(std::aligned_alloc(64, d * sizeof *theta));
  long began[LANES] = {};
  for (size_t k = 0; k < d; ++k)
    for (int i = 0; i < LANES; ++i) theta[k][i] = 0;
  for (int i = 0; i < LANES; ++i)
    limit[i] = i < trials ? 2 * q.barrier : std::numeric_limits<float>::infinity();

  VSLStreamStatePtr stream;
  vslNewStream(&stream, BRNG, seed);
  long started = LANES, done = 0, total = 0, step = 0;
  size_t k = 0;
  while (done < trials) {
    vsRngGaussian(METHOD, stream, NORMALS, z[0], 0, 1);
    for (int row = 0; row < rows && done < trials; ++row) {
      if (k == 0)
        for (int i = 0; i < LANES; ++i) twice[i] = 0;
      const float a = q.decay[k], s = q.scale[k], h = q.curvature[k];
      for (int i = 0; i < LANES; ++i) {
        const float t = a * theta[k][i] + s * z[row][i];
        theta[k][i] = t;
        twice[i] += h * t * t;
      }
      if (++k < d) continue;
      k = 0;
      ++step;
      int out = 0;
      for (int i = 0; i < LANES; ++i) out += twice[i] >= limit[i];
      if (!out) continue;
      for (int i = 0; i < LANES; ++i) {
        if (!(twice[i] >= limit[i])) continue;
        total += step - began[i];
        ++done;
        for (size_t j = 0; j < d; ++j) theta[j][i] = 0;
        began[i] = step;
        if (started < trials)
          ++started;
        else
          limit[i] = std::numeric_limits<float>::infinity();
      }
    }
  }
  vslDeleteStream(&stream);
  std::free(theta);
  return total;
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const int d = std::atoi(argv[1]);
  const long trials = std::atol(argv[2]);
  const int repeats = std::atoi(argv[3]), seed = std::atoi(argv[4]);
  Quadratic q{std::vector<float>(d), std::vector<float>(d), std::vector<float>(d), 0};
  for (auto* values : {&q.decay, &q.scale, &q.curvature})
    for (float& v : *values)
      if (std::scanf("%f", &v) != 1) return 2;
  if (std::scanf("%f", &q.barrier) != 1) return 2;
  run(q, 1, seed);  // warm up
  for (int r = 0; r < repeats; ++r) {
    const auto start = std::chrono::steady_clock::now();
    const long total = run(q, trials, seed + r);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%ld %.9f\n", total, took.count());
  }
}
