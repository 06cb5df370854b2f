"""Looks a plate up with a client that was generated from the description of the API.

Arguments: the folder of the client, the hub's address, its authority's certificate. The token is read from the
standard input. Prints the plates found and the audit line.
"""

import datetime
import ssl
import sys


def main() -> None:
    """Ask three times: what there is, what drove away, and without a case."""
    folder, address, authority = sys.argv[1:]
    sys.path.insert(0, folder)
    from varco_client import AuthenticatedClient
    from varco_client.api.lookups import look_up
    from varco_client.models import DirectionView, ErrorBody, LookupRequest, PurposeView

    def moment(hour: int) -> datetime.datetime:
        return datetime.datetime(2026, 11, 22, hour, tzinfo=datetime.UTC)

    client = AuthenticatedClient(
        base_url=address,
        token=sys.stdin.read().strip(),
        verify_ssl=ssl.create_default_context(cafile=authority),
        httpx_args={"trust_env": False},
    )
    asked = LookupRequest(
        plate="AB1*",
        from_=moment(0),
        to=moment(13),
        purpose=PurposeView.URBAN_SECURITY,
        case_reference="PG 123/2026",
        gates=["porta-nord"],
    )
    found = look_up.sync(client=client, body=asked)
    print(*(result.plate for result in found.results), found.audit_line)

    asked.direction = DirectionView.AWAY
    found = look_up.sync(client=client, body=asked)
    print(found.total)

    asked.case_reference = ""
    refused = look_up.sync(client=client, body=asked)
    print(isinstance(refused, ErrorBody), refused.error)


if __name__ == "__main__":
    main()
