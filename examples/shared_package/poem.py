"""The other one: here the same steps are wired, and so become phases.

    orchcore run examples/shared_package/poem.py

Any file name will do where the file is named; `orchfile.py` is the one that is searched for.
"""

from house import polish, word_count

from orchcore import Agent, agent, each, param, use


@agent
async def poem(ai: Agent, about: str = param("rain")) -> str:
    return await ai.ask(f"Four lines about {about}.")


versions = polish.parallel(2, text=use(poem), style=each(["sad", "funny"]))
words = word_count.parallel(2, text=each(versions))
