// SPDX-License-Identifier: Apache-2.0
// For the runner's own test: the message is not the expected one.
// expect: molmo: a message that no compiler prints
#ifdef MOLMO_MISTAKE
int wrong = "text";
#endif
