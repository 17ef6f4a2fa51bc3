// SPDX-License-Identifier: Apache-2.0
// Pool<T>: spare objects (scratch memory, library handles) that a backend lends to whoever calculates right now.
//
// Copies of a backend share one pool, and several sessions may calculate at the same time; each takes an object of its
// own and gives it back. Only the first calls make new ones, so that later ones do not allocate.
#pragma once

#include <mutex>
#include <new>
#include <utility>

namespace molmo::inline v0 {

template <class T>
class Pool {
  struct Node {
    T object{};
    Node* next = nullptr;
  };

 public:
  /// A borrowed object; it returns to the pool at the end of the scope.
  class Loan {
   public:
    explicit Loan(Pool& pool) : pool_(pool), node_(pool.take()) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() { pool_.give(node_); }
    /// False when there was no memory for a new one.
    [[nodiscard]] explicit operator bool() const { return node_ != nullptr; }
    T& operator*() { return node_->object; }
    T* operator->() { return &node_->object; }

   private:
    Pool& pool_;
    Node* node_;
  };

  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    while (spare_ != nullptr) delete std::exchange(spare_, spare_->next);
  }

  [[nodiscard]] Loan lend() { return Loan(*this); }

 private:
  Node* take() {
    {
      const std::lock_guard lock(mutex_);
      if (spare_ != nullptr) return std::exchange(spare_, spare_->next);
    }
    return new (std::nothrow) Node;
  }
  void give(Node* node) {
    if (node == nullptr) return;
    const std::lock_guard lock(mutex_);
    node->next = spare_;
    spare_ = node;
  }

  std::mutex mutex_;
  Node* spare_ = nullptr;
};

}  // namespace molmo::inline v0
