// Package types has the types of WIT that Go lacks, as the bindings of `wit-bindgen go` name them.
package types

// Tuple2 is a `tuple` of two.
type Tuple2[T any, U any] struct {
	F0 T
	F1 U
}

// The tags of an Option.
const (
	OptionNone uint8 = 0
	OptionSome uint8 = 1
)

// Option is an `option`; without anything done to it, there is nothing in it.
type Option[T any] struct {
	value *T
}

// Some has a value.
func Some[T any](value T) Option[T] { return Option[T]{&value} }

// None has no value.
func None[T any]() Option[T] { return Option[T]{} }

// Tag says whether there is a value.
func (option Option[T]) Tag() uint8 {
	if option.value == nil {
		return OptionNone
	}
	return OptionSome
}

// Some is the value, which must be there.
func (option Option[T]) Some() T { return *option.value }

// The tags of a Result.
const (
	ResultOk  uint8 = 0
	ResultErr uint8 = 1
)

// Result is a `result`: one of two values.
type Result[T any, E any] struct {
	ok    *T
	error *E
}

// Ok is a success.
func Ok[T any, E any](value T) Result[T, E] { return Result[T, E]{ok: &value} }

// Err is a failure.
func Err[T any, E any](value E) Result[T, E] { return Result[T, E]{error: &value} }

// Tag says which of both it is.
func (result Result[T, E]) Tag() uint8 {
	if result.error == nil {
		return ResultOk
	}
	return ResultErr
}

// Ok is the value of a success.
func (result Result[T, E]) Ok() T { return *result.ok }

// Err is the value of a failure.
func (result Result[T, E]) Err() E { return *result.error }
