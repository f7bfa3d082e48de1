# SPDX-License-Identifier: MIT
"""SQLAlchemy: an ORM over an in-memory SQLite, filled, queried, changed."""

from ptm_bench_child import region
from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    selectinload,
)

AUTHORS = 600
BOOKS_EACH = 8
ROUNDS = 12


class Base(DeclarativeBase):
    """Where the tables are declared."""


class Author(Base):
    """One side of the relation."""

    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list["Book"]] = relationship(back_populates="author")


class Book(Base):
    """The other side."""

    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    pages: Mapped[int]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


def fill(session: Session) -> None:
    """Authors with their books, in one flush."""
    for a in range(AUTHORS):
        author = Author(name=f"author {a}")
        for b in range(BOOKS_EACH):
            author.books.append(Book(title=f"book {a}.{b}", pages=50 + a * b % 700))
        session.add(author)
    session.commit()


def query(session: Session) -> int:
    """Load the graph, aggregate, and change every tenth book."""
    loaded = select(Author).options(selectinload(Author.books)).order_by(Author.name)
    pages = sum(b.pages for a in session.scalars(loaded) for b in a.books)
    per_author = (
        select(Author.name, func.sum(Book.pages))
        .join(Author.books)
        .group_by(Author.name)
    )
    assert sum(row[1] for row in session.execute(per_author)) == pages
    for book in session.scalars(select(Book).where(Book.id % 10 == 0)):
        book.pages += 1
    session.commit()
    return pages


def main() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
    for _ in range(ROUNDS):
        with Session(engine) as session:
            assert query(session) > 0


if __name__ == "__main__":
    with region():
        main()
