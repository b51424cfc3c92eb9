// Package jsonform owns the one JSON (and YAML) form of every message: what the
// CLI prints with -o json and what HTTP answers.
//
//   - Keys are proto names in snake_case, in the order of the .proto file.
//   - Everything is printed: [] for no elements, {} for an empty map, zero values;
//     null for what has presence and is not set (messages, optional fields,
//     members of a oneof).
//   - Enums are lower-case words without their prefix: up, floor_broken; the zero
//     is "unspecified"; a number that this build does not know is "unknown_7".
//   - Numbers are numbers, 64 bits too.
//   - Durations are as in a topology file, 10s or 1h30m; timestamps are RFC 3339 in
//     UTC; a percentage is "25%" and label values are a list, as in the file.
//   - Bytes are a string where they are UTF-8, else "base64:" and their base64.
//   - Maps are sorted by key. NaN, infinities and strings that are not UTF-8 are
//     refused.
//
// The output of one message is the same bytes each time. The package must not
// know what any message means. It keeps no state; every function may be called
// concurrently, as long as nobody changes the message.
package jsonform
