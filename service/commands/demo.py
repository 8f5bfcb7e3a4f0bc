"""`mailgap demo`."""
import click
@click.command()
def demo() -> None:
    """Show it all on this machine."""
