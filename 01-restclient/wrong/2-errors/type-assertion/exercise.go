// Package verdict is a sample of a typical mistake: a type assertion sees only the outermost error.
package verdict

import (
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// want: callers wrap errors, so look inside with errors.As

// Verdict is what to tell a user after a request for one object.
type Verdict string

// The verdicts.
const (
	Found    Verdict = "found"
	Missing  Verdict = "the object is missing"
	Refused  Verdict = "you may not do that"
	WrongURL Verdict = "there is no such resource: the URL is wrong"
	NoAnswer Verdict = "the server did not answer"
	Unknown  Verdict = "something else"
)

// Explain puts an error of Do(ctx).Into(...) into words.
func Explain(err error) Verdict {
	switch {
	case err == nil:
		return Found
	case noAnswer(err):
		return NoAnswer
	case wrongURL(err):
		return WrongURL
	}
	return serverSaid(err)
}

func serverSaid(err error) Verdict {
	switch {
	case apierrors.IsNotFound(err):
		return Missing
	case apierrors.IsForbidden(err):
		return Refused
	}
	return Unknown
}

func noAnswer(err error) bool {
	_, is := err.(*url.Error)
	return is
}

func wrongURL(error) bool { return false }
