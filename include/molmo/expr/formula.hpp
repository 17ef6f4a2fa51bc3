// SPDX-License-Identifier: Apache-2.0
// formula(e): an expression as text, for messages, logs and tests.
//
//   formula(x + silu(gate) * up)          "x0 + silu(x1) * x2"
//   formula((x - 1) * x / (x + 0.5))      "(x0 - 1) * x0 / (x0 + 0.5)"
// Operands are numbered in the order in which they are read; the same view has the same number. Parentheses stand where
// the order of calculation needs them, so a + (b + c) keeps its own. A function is written by its static member `name`:
// a symbol stands between its operands, a word before them; a function object without a name is `f`.
#pragma once

#include <molmo/core/text.hpp>
#include <molmo/expr/functions.hpp>

#include <string_view>
#include <vector>

namespace molmo::inline v0 {
namespace detail {

/// How tightly the outermost operation of a text binds.
enum class Binding : unsigned char { disjunction, conjunction, equality, order, sum, product, sign, operand };

constexpr bool is_word(std::string_view name) {
  const char c = name.empty() ? 'f' : name[0];
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr Binding binding_between(std::string_view symbol) {
  if (symbol == "||") return Binding::disjunction;
  if (symbol == "&&") return Binding::conjunction;
  if (symbol == "==" || symbol == "!=") return Binding::equality;
  if (symbol[0] == '<' || symbol[0] == '>') return Binding::order;
  if (symbol == "+" || symbol == "-") return Binding::sum;
  return Binding::product;
}

template <class F>
constexpr std::string_view name_of() {
  if constexpr (requires { std::string_view(F::name); })
    return F::name;
  else
    return "f";
}

/// A part of the text, and how tightly it binds.
struct Written {
  std::string text;
  Binding binding = Binding::operand;
};

/// What tells views apart: where they begin, and their type.
struct Place {
  const void* data;
  const void* type;
  bool operator==(const Place&) const = default;
};
template <class Leaf>
inline constexpr char type_tag = 0;

/// A node that is neither a function nor in memory, and has a name and operands: a reduction, a gradient.
template <class E>
concept NamedNode = requires(const E& e) {
  std::string_view(E::name);
  e.a;
};

class FormulaWriter {
 public:
  template <class E>
  [[nodiscard]] Written write(const E& e) {
    if constexpr (requires { E::moves, e.view.data; })
      return {text("transpose(", write(leaf(e.view)).text, ")")};
    else if constexpr (requires { e.table.data, e.ids; }) {
      const std::string table = write(leaf(e.table)).text;
      return {text("gather(", table, ", ", write(e.ids).text, ")")};
    } else if constexpr (requires { e.view.data; })
      return {text("x", number_of({e.view.data, &type_tag<E>}))};
    else if constexpr (NamedNode<E>)
      return write_node<E>(e);
    else if constexpr (requires { std::string_view(E::name); })
      return {E::name};
    else if constexpr (requires { e.value; })
      return write_number(e.value);
    else
      return {std::is_same_v<E, Acc> ? "acc" : "..."};
  }
  template <class F, class A>
  [[nodiscard]] Written write(const Map1<F, A>& e) {
    return write_function<F>(e.a);
  }
  template <class F, class A, class B>
  [[nodiscard]] Written write(const Map2<F, A, B>& e) {
    return write_function<F>(e.a, e.b);
  }
  template <class F, class A, class B, class C>
  [[nodiscard]] Written write(const Map3<F, A, B, C>& e) {
    return write_function<F>(e.a, e.b, e.c);
  }

 private:
  template <class E>
  Written write_node(const E& e) {
    if constexpr (requires { e.c; })
      return write_function<E>(e.a, e.b, e.c);
    else if constexpr (requires { e.x; })  // a gradient
      return write_function<E>(e.a, e.b, e.x);
    else if constexpr (requires { e.b; })
      return write_function<E>(e.a, e.b);
    else
      return write_function<E>(e.a);
  }

  template <class F, class A, class... Rest>
  Written write_function(const A& a, const Rest&... rest) {
    if constexpr (requires { a.function.f; }) {  // a function with a state holds its first operand
      return write_function<std::remove_cvref_t<decltype(a.function.f)>>(a.a, rest...);
    } else {
      constexpr std::string_view name = name_of<F>();
      if constexpr (is_word(name)) {
        std::string out = text(name, "(", write(a).text);
        ((out += ", " + write(rest).text), ...);
        return {out + ")"};
      } else if constexpr (sizeof...(Rest) == 0) {
        return {text(name, at_least(Binding::sign, write(a))), Binding::sign};
      } else {
        return write_between(name, a, rest...);
      }
    }
  }
  template <class A, class B>
  Written write_between(std::string_view symbol, const A& a, const B& b) {
    const Binding here = binding_between(symbol);
    const std::string left = at_least(here, write(a));
    return {text(left, " ", symbol, " ", at_least(next(here), write(b))), here};
  }
  template <class N>
  static Written write_number(N n) {
    return {text(n), n < N{0} ? Binding::sign : Binding::operand};
  }

  static constexpr Binding next(Binding b) { return static_cast<Binding>(static_cast<int>(b) + 1); }
  static std::string at_least(Binding least, Written w) {
    return w.binding < least ? text("(", w.text, ")") : std::move(w.text);
  }
  std::size_t number_of(const Place& place) {
    for (std::size_t i = 0; i < places_.size(); ++i)
      if (places_[i] == place) return i;
    places_.push_back(place);
    return places_.size() - 1;
  }

  std::vector<Place> places_;
};

}  // namespace detail

/// The expression as text: operands x0, x1, ... in the order in which they are read.
template <Operand E>
[[nodiscard]] std::string formula(E&& e) {
  detail::FormulaWriter writer;
  return writer.write(leaf(std::forward<E>(e))).text;
}

}  // namespace molmo::inline v0
