// SPDX-License-Identifier: Apache-2.0
// Pool<T>: spare objects (scratch memory, library handles) that a backend lends to whoever calculates right now.
//
// Copies of a backend share one pool, and several sessions may calculate at the same time; each takes an object of its
// own and gives it back. Only the first calls make new ones, so that later ones do not allocate. There is no lock: an
// object is taken by one exchange, and a child of fork() never waits for a thread that it does not have.
#pragma once

#include <atomic>
#include <new>

namespace molmo::inline v0 {

template <class T>
class Pool {
  // Nodes are never removed from the list, only marked as taken.
  struct Node {
    T object{};
    std::atomic<bool> taken{true};
    Node* next = nullptr;
  };

 public:
  /// A borrowed object; it returns to the pool at the end of the scope.
  class Loan {
   public:
    /// Nothing is borrowed.
    Loan() = default;
    explicit Loan(Pool& pool) : node_(pool.take()) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() {
      if (node_ != nullptr) node_->taken.store(false, std::memory_order_release);
    }
    /// False when there was no memory for a new one.
    [[nodiscard]] explicit operator bool() const { return node_ != nullptr; }
    T& operator*() const { return node_->object; }
    T* operator->() const { return &node_->object; }

   private:
    Node* node_ = nullptr;
  };

  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (Node* n = first_.load(std::memory_order_acquire); n != nullptr;) {
      Node* const next = n->next;
      delete n;
      n = next;
    }
  }

  [[nodiscard]] Loan lend() { return Loan(*this); }

 private:
  Node* take() {
    for (Node* n = first_.load(std::memory_order_acquire); n != nullptr; n = n->next)
      if (!n->taken.load(std::memory_order_relaxed) && !n->taken.exchange(true, std::memory_order_acquire)) return n;
    Node* const made = new (std::nothrow) Node;
    if (made == nullptr) return nullptr;
    made->next = first_.load(std::memory_order_relaxed);
    while (!first_.compare_exchange_weak(made->next, made, std::memory_order_acq_rel, std::memory_order_relaxed)) {
    }
    return made;
  }

  std::atomic<Node*> first_{nullptr};
};

}  // namespace molmo::inline v0
