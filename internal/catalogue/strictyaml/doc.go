// Package strictyaml reads a YAML file that people write by hand, and says
// everything that is wrong with it at once, each with its line.
//
// It owns what holds for every such file: one document, no key twice, no key that
// nobody knows, text where text belongs, no anchors. It does not know what the
// keys mean: packages catalogue and apikey do, and add their problems to the same
// list.
package strictyaml
