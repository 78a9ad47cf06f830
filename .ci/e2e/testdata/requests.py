"""The part of requests that the document's sample uses, over urllib."""
import urllib.parse
import urllib.request


class Response:
    def __init__(self, text):
        self.text = text


def request(method, url, headers, params):
    url = url + "?" + urllib.parse.urlencode(params)
    asked = urllib.request.Request(url, headers=headers, method=method)
    with urllib.request.urlopen(asked) as answer:
        return Response(answer.read().decode("ascii"))
