package idp

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/time/rate"
)

//go:embed login.html login.css favicon.svg
var files embed.FS

// Five wrong passwords at once, then one in ten seconds, per user; all names
// that nobody has share one allowance.
const (
	wrongAtOnce = 5
	wrongEvery  = 10 * time.Second
)

// login is the sign-in page.
type login struct {
	storage  *storage
	page     *template.Template
	callback func(id string) string
	users    []string                 // in the order given
	limits   map[string]*rate.Limiter // by user name; "" for unknown names
}

func newLogin(s *storage, users []User, issuer string, provider op.OpenIDProvider) *login {
	l := &login{
		storage: s,
		page:    template.Must(template.ParseFS(files, "login.html")),
		callback: func(id string) string {
			return op.AuthCallbackURL(provider)(op.ContextWithIssuer(context.Background(), issuer), id)
		},
		limits: map[string]*rate.Limiter{"": rate.NewLimiter(rate.Every(wrongEvery), wrongAtOnce)},
	}
	for _, u := range users {
		l.users = append(l.users, u.Name)
		l.limits[u.Name] = rate.NewLimiter(rate.Every(wrongEvery), wrongAtOnce)
	}
	return l
}

// loginPage is what login.html shows. Without ID there is no form.
type loginPage struct {
	ID, Name      string
	Title         string
	Problem, Hint string
	Back          string   // the application's address
	Users         []string // who can sign in
}

func (l *login) show(w http.ResponseWriter, r *http.Request) {
	a, err := l.storage.AuthRequestByID(r.Context(), r.FormValue("id"))
	if err != nil {
		l.expired(w)
		return
	}
	request := a.(*authRequest)
	l.render(w, http.StatusOK, request, loginPage{ID: request.id, Name: request.asked.LoginHint})
}

func (l *login) submit(w http.ResponseWriter, r *http.Request) {
	id, name, password := r.PostFormValue("id"), r.PostFormValue("username"), r.PostFormValue("password")
	a, err := l.storage.AuthRequestByID(r.Context(), id)
	if err != nil {
		l.expired(w)
		return
	}
	request := a.(*authRequest)
	limit, known := l.limits[name]
	if !known || name == "" {
		limit = l.limits[""]
	}
	// Each attempt takes from the allowance; the right password gives it back.
	now := l.storage.now()
	attempt := limit.ReserveN(now, 1)
	if wait := attempt.DelayFrom(now); wait > 0 {
		attempt.CancelAt(now)
		seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
		w.Header().Set("Retry-After", seconds)
		l.render(w, http.StatusTooManyRequests, request, loginPage{ID: id, Name: name,
			Problem: "Too many wrong passwords.", Hint: "Try again in " + seconds + " seconds."})
		return
	}
	if !l.storage.checkPassword(name, password) {
		l.render(w, http.StatusUnauthorized, request, loginPage{ID: id, Name: name,
			Problem: "Wrong username or password.", Hint: "The terminal that runs the demo shows both."})
		return
	}
	attempt.CancelAt(now)
	if err := l.storage.complete(id, name); err != nil {
		l.expired(w)
		return
	}
	http.Redirect(w, r, l.callback(id), http.StatusSeeOther)
}

func (l *login) expired(w http.ResponseWriter) {
	l.render(w, http.StatusBadRequest, nil, loginPage{Title: "This sign-in has expired",
		Hint: "It was not finished in time, or it is finished already. Start again from Exhibit."})
}

func (l *login) signedOut(w http.ResponseWriter, _ *http.Request) {
	l.render(w, http.StatusOK, nil, loginPage{Title: "You are signed out"})
}

func (l *login) render(w http.ResponseWriter, status int, request *authRequest, p loginPage) {
	// Browsers apply form-action to the redirects that follow a form too, so the
	// page must allow the application that waits for the code.
	formAction := "'self'"
	if request != nil {
		formAction += " " + request.origin()
		p.Title, p.Users = "Sign in to Exhibit", l.users
	}
	if clients := l.storage.clients; len(clients) == 1 {
		for _, c := range clients {
			if uris := c.Client.PostLogoutRedirectURIs; len(uris) > 0 {
				p.Back = uris[0]
			}
		}
	}
	var b bytes.Buffer
	if err := l.page.Execute(&b, p); err != nil {
		http.Error(w, "the sign-in page is broken", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "+formAction)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(b.Bytes()) // the browser may have gone: nobody left to tell
}

func asset(name, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := files.ReadFile(name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Write(body)
	}
}
