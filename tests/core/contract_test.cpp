// SPDX-License-Identifier: Apache-2.0
#include <molmo/core/contract.hpp>

#include "support/catch.hpp"

#include <string>

TEST_CASE("a broken contract throws contract_error and says what is wrong") {
  CHECK_NOTHROW(molmo::expects(true, "never"));
  bool caught = false;
  try {
    molmo::expects(false, "the sizes differ");
  } catch (const molmo::contract_error& e) {
    caught = true;
    CHECK(std::string(e.what()) == "the sizes differ");
  }
  CHECK(caught);
  CHECK_THROWS_AS(molmo::broken_contract("x"), std::logic_error);
}
