// SPDX-License-Identifier: Apache-2.0
// Both units in one program.
float portable();
float native();

int main() {
  const float want = 0.999f * (1 + 0.731058579f);
  const float a = portable() - want, b = native() - want;
  return a < 1e-6f && a > -1e-6f && b < 1e-6f && b > -1e-6f ? 0 : 1;
}
