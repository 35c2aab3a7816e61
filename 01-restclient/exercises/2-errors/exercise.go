// Package verdict says what an error means.
package verdict

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

// serverSaid tells a missing object (404) and a refusal (403) from everything else.
func serverSaid(err error) Verdict {
	// TODO 1: ask k8s.io/apimachinery/pkg/api/errors what it is: Missing, Refused or Unknown
	return ""
}

// noAnswer says whether nobody answered: refused, unknown host, bad certificate, timeout.
func noAnswer(err error) bool {
	// TODO 2: an answer, even a "no", is an *apierrors.StatusError; what is no answer?
	return false
}

// wrongURL says whether err is a 404 that is about the URL and not about an object.
func wrongURL(err error) bool {
	// TODO 3: both kinds of 404 are IsNotFound; take the Status out of the error and see whose name is in its Details
	return false
}
