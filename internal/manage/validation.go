package manage

import (
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

// plain makes a problem of what huma refuses. Of its texts, those that only speak of
// the description are kept; what came from elsewhere, a parser's error or the input
// itself, is not.
func (c *call) plain(model *huma.ErrorModel) error {
	if model.Status >= http.StatusInternalServerError {
		return &Problem{Kind: Internal}
	}
	if len(model.Errors) == 0 && model.Status == http.StatusBadRequest {
		return Refuse(InvalidRequest, "A body is required: send a JSON object.")
	}
	kind := InvalidRequest
	var fields []Field
	for _, detail := range model.Errors {
		if detail == nil {
			continue
		}
		f := c.plainField(detail)
		if f.In == "body" {
			kind = Invalid
		}
		fields = append(fields, f)
	}
	return Refuse(kind, "", fields...)
}

func (c *call) plainField(d *huma.ErrorDetail) Field {
	in, way, _ := strings.Cut(d.Location, ".")
	if !slices.Contains([]string{"body", "query", "header", "path"}, in) {
		in, way = "body", d.Location
	}
	// A missing property is noted at the object that should have it.
	if name, ok := between(d.Message, "expected required property ", " to be present"); ok {
		return Field{Field: within(way, name), In: in, Detail: "It is required."}
	}
	f := Field{Field: way, In: in, Detail: plainDetail(d.Message)}
	if d.Message == validation.MsgUnexpectedProperty && slices.Contains(c.op.ReadOnly, way) {
		f.Detail = "It cannot be changed."
	}
	return f
}

// exact are sentences for huma's fixed messages.
var exact = map[string]string{
	validation.MsgUnexpectedProperty:       "There is no such field here.",
	validation.MsgExpectedRFC3339DateTime:  "It has to be a time as in 2027-01-31T15:04:05Z.",
	validation.MsgExpectedRFC3339Date:      "It has to be a date as in 2027-01-31.",
	validation.MsgExpectedRFCIPAddr:        "It has to be an IP address.",
	validation.MsgExpectedBoolean:          "It has to be true or false.",
	validation.MsgExpectedNumber:           "It has to be a number.",
	validation.MsgExpectedInteger:          "It has to be a whole number.",
	validation.MsgExpectedString:           "It has to be a string.",
	validation.MsgExpectedArray:            "It has to be a list.",
	validation.MsgExpectedObject:           "It has to be an object.",
	validation.MsgExpectedArrayItemsUnique: "The same value is in the list twice.",
	"invalid integer":                      "It has to be a whole number.",
	"invalid boolean":                      "It has to be true or false.",
	"unknown query parameter":              "It is not known here.",
	"required query parameter is missing":  "It is required.",
	"required header parameter is missing": "It is required.",
}

// starts are sentences for messages that end in a limit of the description.
var starts = []struct{ message, sentence string }{
	{"expected value to be one of ", "It has to be one of "},
	{"expected number >= ", "It has to be at least "},
	{"expected number > ", "It has to be more than "},
	{"expected number <= ", "It may be at most "},
	{"expected number < ", "It has to be less than "},
	{"expected length >= ", "It is too short: the least number of characters is "},
	{"expected length <= ", "It is too long: the greatest number of characters is "},
	{"expected array length >= ", "There are too few in the list: the least number is "},
	{"expected array length <= ", "There are too many in the list: the greatest number is "},
	{"expected string to match pattern ", "It has to match the pattern "},
}

func plainDetail(message string) string {
	if sentence, ok := exact[message]; ok {
		return sentence
	}
	for _, s := range starts {
		if limit, ok := strings.CutPrefix(message, s.message); ok {
			return s.sentence + limit + "."
		}
	}
	return "It is not valid."
}

func between(s, before, after string) (string, bool) {
	rest, ok := strings.CutPrefix(s, before)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, after)
}
