package notify

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What can be wrong with a URL. None of them shows anything of it.
var (
	errNoURL     = errors.New("its url is not one: write such as ntfy://ntfy.example.org/topic")
	errScheme    = errors.New("its url begins with none of " + strings.Join(schemes, "://, ") + "://")
	errNoHost    = errors.New("its url names no host")
	errKey       = errors.New("a key signs what is sent to a webhook, and this is none: leave the key out")
	errParameter = errors.New("its url has a parameter that is not known: write scheme=http or none (mail: from, to, tls)")
	errPlain     = errors.New("scheme in its url is http, or is left out")
	errNtfy      = errors.New("its url needs the topic behind the host, as in ntfy://ntfy.example.org/topic")
	errGotify    = errors.New("its url needs the token of the application behind the host, as in gotify://gotify.example.org/TOKEN")
	errSlack     = errors.New("its url needs the path of the webhook, as in slack://hooks.slack.com/services/T000/B000/XXXX")
	errDiscord   = errors.New("its url needs the path of the webhook, as in discord://discord.com/api/webhooks/ID/TOKEN")
)

// schemes are those of the URLs.
var schemes = []string{"https", "http", "ntfy", "ntfys", "gotify", "slack", "discord", "smtp", "smtps"}

// The hosts of those who give their webhooks out as https:// URLs: they do not take what other webhooks take.
const (
	slackHost   = "hooks.slack.com"
	discordHost = "discord.com"
	discordPath = "/api/webhooks/"
)

// An outlet makes senders.
type outlet struct {
	client *http.Client
	tls    *tls.Config // of mail; nil: the usual one
}

// open makes the sender of a channel.
func (o outlet) open(c Channel) (sender, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errNoURL
	}
	kind := kindOf(u)
	switch {
	case !slices.Contains(schemes, kind):
		return nil, errScheme
	case u.Host == "" || u.Hostname() == "":
		return nil, errNoHost
	case c.Key != "" && kind != "https" && kind != "http":
		return nil, errKey
	}
	switch kind {
	case "https", "http":
		return webhook{post{o.client, c.URL}, c.Key}, nil
	case "smtp", "smtps":
		return newMail(u, o.tls)
	}
	return o.service(kind, u)
}

// kindOf is the scheme, or the service that a https URL is one of.
func kindOf(u *url.URL) string {
	if u.Scheme != "https" {
		return u.Scheme
	}
	switch host := strings.ToLower(u.Hostname()); {
	case host == slackHost:
		return "slack"
	case (host == discordHost || host == "discordapp.com") && strings.HasPrefix(u.Path, discordPath):
		return "discord"
	}
	return u.Scheme
}

// service makes the sender of one that wants a single request.
func (o outlet) service(kind string, u *url.URL) (sender, error) {
	web := url.URL{Scheme: "https", Host: u.Host, Path: "/" + strings.Trim(u.Path, "/")}
	if u.Scheme == "https" {
		web.RawQuery = u.RawQuery // it is taken as it was given out, say with the thread to post to
	} else if err := options(u, &web); err != nil {
		return nil, err
	}
	parts := strings.Split(web.Path[1:], "/")
	last := parts[len(parts)-1]
	switch kind {
	case "ntfy", "ntfys":
		if len(parts) != 1 || last == "" {
			return nil, errNtfy
		}
		return ntfy{post{o.client, web.String()}, u.User}, nil
	case "gotify":
		if last == "" {
			return nil, errGotify
		}
		web.Path = strings.TrimSuffix(web.Path, last) + "message"
		return gotify{post{o.client, web.String()}, last}, nil
	case "slack":
		if !slackForm(u, &web) {
			return nil, errSlack
		}
		return slack{post{o.client, web.String()}}, nil
	}
	if !discordForm(u, &web) {
		return nil, errDiscord
	}
	return discord{post{o.client, web.String()}}, nil
}

// options reads what stands behind the question mark.
func options(u, web *url.URL) error {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errParameter
	}
	for name := range q {
		if name != "scheme" {
			return errParameter
		}
	}
	switch q.Get("scheme") {
	case "http":
		web.Scheme = "http"
	case "", "https":
	default:
		return errPlain
	}
	return nil
}

// slackForm reads the short forms slack://hook/T/B/X and slack://hook:T-B-X@webhook, and says whether there is a path.
func slackForm(u, web *url.URL) bool {
	token := ""
	if u.User != nil {
		token, _ = u.User.Password()
	}
	switch {
	case u.Host == "webhook" && u.User != nil:
		web.Host, web.Path = slackHost, "/services/"+strings.ReplaceAll(token, "-", "/")
		return token != ""
	case u.Host == "hook":
		if web.Path == "/" {
			return false
		}
		web.Host, web.Path = slackHost, "/services"+web.Path
	}
	return web.Path != "/"
}

// discordForm reads the short form discord://TOKEN@ID, and says whether there is a path.
func discordForm(u, web *url.URL) bool {
	if token := u.User.Username(); token != "" {
		if u.Port() != "" || strings.Trim(u.Host, "0123456789") != "" {
			return false
		}
		web.Host, web.Path = discordHost, discordPath+u.Host+"/"+token
	}
	return web.Path != "/"
}
