// SPDX-License-Identifier: Apache-2.0
// For the runner's own test: the mistake is no mistake.
// expect: anything
#ifdef MOLMO_MISTAKE
int right = 1;
#endif
